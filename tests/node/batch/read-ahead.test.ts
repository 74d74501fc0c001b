/** What is read ahead of its handler is read as if it had not been: whole, once, in order, by its own connection. */

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { defaultBackend, ExitNow, FileWrapper, loop, loopSync, Socket } from "wasyncore";
import { connectedPair, listening, readByteByByte, recorder, served, waitForEnd } from "../../support/batches.js";
import { Recorder } from "../../support/handlers.js";
import { newMap } from "../../support/runs.js";
import { bytes, owned, pattern, text } from "../../support/sockets.js";

/** Knows at any time how many bytes it has received. */
class Counting extends Recorder {
  count = 0;
  override handleRead(): void {
    super.handleRead();
    this.count += this.received.at(-1)?.length ?? 0;
  }
}

describe("what is read ahead", () => {
  test("arrives whole, in pieces of any size, read in pieces of any size", () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 12 });
    const sizes = fc.constantFrom(7, 100, 2047, 2048, 2049, 6000);
    fc.assert(
      fc.property(lengths, sizes, sizes, (messages, one, other) => {
        const { tell, turn, handlers } = served(
          3,
          (socket, map) => new Counting(socket, map, [one, other, 8192][map.size]),
        );
        const before = handlers.map((handler) => handler.count);
        let sent = 0;
        for (const length of messages) {
          tell(...handlers.map(() => pattern(length)));
          sent += length;
          turn();
        }
        const isWhole = () => handlers.every((handler, index) => handler.count === (before[index] ?? 0) + sent);
        for (let more = 0; more < 20_000 && !isWhole(); more++) turn();
        const expected = Buffer.concat(messages.map((length) => pattern(length)));
        for (const [index, handler] of handlers.entries()) {
          expect(Buffer.concat(handler.received).subarray(before[index]).equals(expected)).toBe(true);
        }
      }),
      { numRuns: 25 },
    );
    // Up to 8,600 turns a run: how many there are is up to the seed.
  }, 120_000);

  test("is reported again in the next turn where a handler has left some of it", () => {
    const { tell, turn, handlers } = served(3, recorder);
    const [slow, other] = handlers;
    readByteByByte(slow);
    tell("abc", "def", "ghi");
    for (let rounds = 0; rounds < 3; rounds++) turn();
    expect(slow?.text.slice(-3)).toBe("abc");
    expect(other?.text.slice(-3)).toBe("def");
  });

  test("is peeked at like what the kernel has, and stays unread", () => {
    const { tell, turn, handlers } = served(3, recorder);
    const [first] = handlers;
    if (first === undefined) throw new Error("no handlers");
    const peeked: string[] = [];
    const handleRead = first.handleRead.bind(first);
    first.handleRead = () => {
      const target = new Uint8Array(8);
      const count = defaultBackend().peek(first.socket?.fd ?? -1, target, 2);
      peeked.push(text(target.subarray(0, count)));
      handleRead();
    };
    tell("abc", "def", "ghi");
    turn();
    expect([peeked, first.text.slice(-3)]).toEqual([["ab"], "abc"]);
  });

  test("is reported again under loop as well, which does not wait for the operating system then", async () => {
    const { tell, handlers, map } = served(3, recorder);
    const [slow] = handlers;
    readByteByByte(slow);
    tell("abcdef", "ghi", "jkl");
    await loop({ map, count: 6, timeoutMs: Infinity });
    expect(slow?.text.slice(-6)).toBe("abcdef");
  });

  test("waits for a channel that has left the map, and is reported when it comes back", () => {
    const { tell, turn, handlers, map } = served(3, recorder);
    const [first, second] = handlers;
    if (first === undefined || second === undefined) throw new Error("no handlers");
    const handleRead = first.handleRead.bind(first);
    first.handleRead = () => {
      handleRead();
      second.delChannel();
    };
    const before = second.text;
    tell("one", "two", "three");
    turn();
    turn();
    expect([first.text.slice(-3), second.text]).toEqual(["one", before]);
    second.addChannel();
    expect(map.size).toBe(3);
    turn();
    expect(second.text).toBe(`${before}two`);
  });

  test("is there for a turn that was stopped before it came to it", () => {
    const { tell, turn, handlers } = served(3, recorder);
    const [first, second, third] = handlers;
    if (first === undefined) throw new Error("no handler");
    first.handleRead = () => {
      first.recv(100);
      throw new ExitNow();
    };
    tell("one", "two", "three");
    expect(turn).toThrow(ExitNow);
    turn();
    expect([second?.text.slice(-3), third?.text.slice(-5)]).toEqual(["two", "three"]);
  });

  test("is read by whatever call reads next, in order", () => {
    const { tell, turn, handlers, backend } = served(3, recorder);
    const [first] = handlers;
    if (first === undefined) throw new Error("no handler");
    const { socket } = first;
    const read: string[] = [];
    first.handleRead = () => {
      const target = new Uint8Array(2);
      read.push(text(target.subarray(0, socket.recvInto(target))));
      const { data, address } = socket.recvFrom(2);
      read.push(text(data));
      expect(address).toEqual(socket.remoteAddress());
      read.push(text(target.subarray(0, backend.read(socket.fd, target))));
      read.push(text(socket.recv(2)));
      expect(() => socket.recv(2)).toThrow(expect.objectContaining({ code: "EAGAIN" }));
    };
    tell("aabbccd", "other", "third");
    turn();
    expect(read).toEqual(["aa", "bb", "cc", "d"]);
  });

  test("is read in order where the descriptor is in two maps", () => {
    const { tell, turn, handlers, backend } = served(3, recorder);
    const other = newMap(backend);
    const read: string[] = [];
    const again = handlers.map(({ socket }) => new Recorder(socket, other));
    const turnOfOther = () => loopSync({ map: other, count: 1, timeoutMs: 0 });
    for (const each of [turnOfOther, turn, turnOfOther]) {
      for (let rounds = 0; rounds < 4; rounds++) {
        tell("x", "y", "z");
        each();
      }
    }
    for (const handler of [handlers[0], again[0]]) {
      if (handler === undefined) throw new Error("no handler");
      handler.handleRead = () => void read.push(text(handler.recv(handler === handlers[0] ? 1 : 100)));
    }
    tell("abc", "abc", "abc");
    turn();
    tell("def", "def", "def");
    turnOfOther();
    turnOfOther();
    expect(read.join("")).toBe("abcdef");
  });

  test("wakes a loop that waits on another map with the same descriptor", async () => {
    const { tell, turn, handlers, backend } = served(3, recorder);
    const [first] = handlers;
    if (first === undefined) throw new Error("no handler");
    const other = newMap(backend);
    const again = new Recorder(first.socket, other);
    const waiting = loop({ map: other, count: 1, timeoutMs: Infinity });
    readByteByByte(first);
    tell("abc", "def", "ghi");
    turn();
    first.delChannel();
    await waiting;
    expect([first.text.slice(-1), again.text]).toEqual(["a", "bc"]);
  });

  test("is there to be read where a hang-up is reported to a channel that does not read", () => {
    class Pausing extends Recorder {
      override handleWrite(): void {}
      pause(): void {
        this.setReadInterest(false);
        this.setWriteInterest(true);
      }
      resume(): void {
        this.setReadInterest(true);
      }
    }
    const { map, tell, handlers, peers } = served(3, (socket, map) => {
      const handler = new Pausing(socket, map);
      // Only what it says from now on: an overridden handleWrite is taken for wanting to write.
      handler["setWriteInterest"](false);
      return handler;
    });
    const [first] = handlers;
    const [peer] = peers;
    if (first === undefined || peer === undefined) throw new Error("no handler");
    const turn = () => loopSync({ map, count: 1, timeoutMs: 0, usePoll: true });
    const before = first.text.length;
    readByteByByte(first);
    const handleRead = first.handleRead.bind(first);
    first.handleRead = () => {
      handleRead();
      if (first.text.length > before + 1) return;
      first.pause();
      first.socket.shutdown("write");
    };
    tell("abc", "def", "ghi");
    turn();
    peer.shutdown("write");
    for (let rounds = 0; rounds < 3; rounds++) turn();
    expect([first.text.slice(before), first.closes]).toEqual(["a", 0]);
    first.resume();
    for (let rounds = 0; rounds < 1000 && first.closes === 0; rounds++) turn();
    expect([first.text.slice(before), first.closes]).toEqual(["abc", 1]);
  });

  test("is not given away with the descriptor, which is refused until it has been received", () => {
    const { tell, turn, handlers, backend } = served(3, recorder);
    const [first] = handlers;
    if (first === undefined) throw new Error("no handler");
    const { socket } = first;
    let fd = -1;
    first.handleRead = () => {
      first.recv(1);
      expect(() => socket.detach()).toThrow(expect.objectContaining({ code: "EBUSY", syscall: "detach" }));
      expect(() => new FileWrapper(socket.fd, backend)).toThrow(
        expect.objectContaining({ code: "EBUSY", syscall: "dup" }),
      );
      first.recv(10);
      first.delChannel();
      fd = socket.detach();
    };
    tell("abc", "def", "ghi");
    turn();
    expect(fd).toBeGreaterThan(0);
    expect(socket.closed).toBe(true);
    owned(Socket.fromDescriptor(fd, backend));
  });

  test("is as good as unread: closing a channel that has left some resets the connection", () => {
    const { tell, turn, handlers, peers } = served(3, recorder);
    const [first] = handlers;
    const [peer] = peers;
    if (first === undefined || peer === undefined) throw new Error("no handler");
    first.handleRead = () => {
      first.recv(1);
      first.close();
    };
    tell("abc", "def", "ghi");
    turn();
    expect(() => waitForEnd(peer)).toThrow(expect.objectContaining({ code: "ECONNRESET" }));
  });

  test("is nobody's after its channel has closed, even where the descriptor is used again in the same turn", () => {
    const { tell, turn, turnUntil, handlers, backend, map } = served(3, recorder);
    const [first, second] = handlers;
    if (first === undefined || second === undefined) throw new Error("no handlers");
    const { fd } = second;
    const server = listening(backend);
    const later: Recorder[] = [];
    first.handleRead = () => {
      first.recv(10);
      second.close();
      const [accepted, connected] = connectedPair(backend, server);
      expect(connected.fd).toBe(fd);
      later.push(new Recorder(connected, map));
      accepted.send(bytes("new"));
    };
    tell("one", "old", "three");
    turn();
    expect(later[0]?.text).toBe("");
    turnUntil(() => later[0]?.text !== "");
    expect(later[0]?.text).toBe("new");
  });
});
