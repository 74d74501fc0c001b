/** Connections that are served in batches are served as they would be alone: in the same order, with the same ends. */

import * as fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { type ChannelMap, createNodeBackend, Dispatcher, ExitNow, FileWrapper, loop, loopSync, Ready, Socket } from "wasyncore";
import { loadLibc } from "../host/node/libc.js";
import { batchingBackend, connectedPair, drain, listener, receiveSome, served } from "./support/batches.js";
import { Recorder } from "./support/handlers.js";
import { newMap } from "./support/runs.js";
import { bytes, owned, pattern, reset, text } from "./support/sockets.js";

/** The number of io_submit(2). */
const IO_SUBMIT = process.arch === "x64" ? 209 : 2;

const recorder = (socket: Socket, map: ChannelMap): Recorder => new Recorder(socket, map);

/** Sends back what it reads, and does more where a test says so. */
class Echo extends Dispatcher {
  afterwards: (() => void) | undefined;
  override handleRead(): void {
    const data = this.recv(8192);
    if (data.length > 0) this.send(data);
    this.afterwards?.();
  }
  override handleError(error: unknown): void {
    throw error;
  }
}

const echo = (socket: Socket, map: ChannelMap): Echo => new Echo(socket, map);

/** From now on: a connection is steady only as long as it is read to the end. */
function readByteByByte(handler: Recorder | undefined): void {
  if (handler === undefined) throw new Error("no handler");
  handler.handleRead = () => void handler.received.push(Buffer.from(handler.recv(1)));
}

/** Counts the system calls of one turn that read, that send, and that do either many times. */
function callsOf(turn: () => void): { recv: number; send: number; submit: number } {
  const libc = loadLibc();
  const { linux } = libc;
  if (linux === undefined) throw new Error("batches are Linux's");
  const recv = vi.spyOn(libc, "recvAt");
  const send = vi.spyOn(libc, "sendAt");
  const syscall = vi.spyOn(linux, "syscall");
  try {
    turn();
    const submit = syscall.mock.calls.filter(([number]) => number === IO_SUBMIT).length;
    return { recv: recv.mock.calls.length, send: send.mock.calls.length, submit };
  } finally {
    for (const spy of [recv, send, syscall]) spy.mockRestore();
  }
}

describe("how many system calls", () => {
  test("one to read and one to send, for all connections that are ready", () => {
    const { tell, turn, peers } = served(8, echo);
    tell(...peers.map((_, index) => `message ${index}`));
    expect(callsOf(turn)).toEqual({ recv: 0, send: 0, submit: 2 });
    expect(peers.map((peer) => text(drain(peer)))).toEqual(peers.map((_, index) => `message ${index}`));
  });

  test("one each for fewer than make a batch", () => {
    const { tell, turn, peers } = served(8, echo);
    tell("alone");
    expect(callsOf(turn)).toEqual({ recv: 1, send: 1, submit: 0 });
    expect(peers.map((peer) => text(drain(peer)))).toEqual(["alone", "", "", "", "", "", "", ""]);
  });

  test("one each where batchMin is Infinity", () => {
    const { tell, turn, peers } = served(4, echo, createNodeBackend({ batchMin: Infinity }));
    tell("a", "b", "c", "d");
    expect(callsOf(turn)).toEqual({ recv: 4, send: 4, submit: 0 });
    expect(peers.map((peer) => text(drain(peer)))).toEqual(["a", "b", "c", "d"]);
  });

  test("one each where the kernel has no asynchronous I/O to give", () => {
    const { linux } = loadLibc();
    if (linux === undefined) throw new Error("batches are Linux's");
    const refusing = vi.spyOn(linux, "syscall").mockReturnValue(-1);
    try {
      const { tell, turn, peers } = served(4, echo);
      tell("a", "b", "c", "d");
      turn();
      expect(peers.map((peer) => text(drain(peer)))).toEqual(["a", "b", "c", "d"]);
      // Asked for once, not in every turn.
      expect(refusing).toHaveBeenCalledTimes(1);
    } finally {
      refusing.mockRestore();
    }
  });

  test("as ever for Unix sockets", () => {
    const backend = batchingBackend();
    const map = newMap(backend);
    const pairs = Array.from({ length: 3 }, () => Socket.pair("stream", backend));
    for (const [socket] of pairs) echo(socket, map);
    for (let round = 0; round < 6; round++) {
      for (const [, peer] of pairs) owned(peer).send(bytes("round"));
      expect(callsOf(() => loopSync({ map, count: 1 }))).toEqual({ recv: 3, send: 3, submit: 0 });
      expect(pairs.map(([, peer]) => text(drain(peer)))).toEqual(["round", "round", "round"]);
    }
  });
});

describe("what is read ahead", () => {
  test("arrives whole, in pieces of any size, read in pieces of any size", () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 12 });
    const sizes = fc.constantFrom(7, 100, 2047, 2048, 2049, 6000);
    fc.assert(
      fc.property(lengths, sizes, sizes, (messages, one, other) => {
        const { tell, turn, handlers } = served(3, (socket, map) => new Recorder(socket, map, [one, other, 8192][map.size]));
        const before = handlers.map((handler) => handler.text.length);
        let sent = 0;
        for (const length of messages) {
          tell(...handlers.map(() => pattern(length)));
          sent += length;
          turn();
        }
        const isWhole = () => handlers.every((handler, index) => handler.text.length === (before[index] ?? 0) + sent);
        for (let more = 0; more < 20_000 && !isWhole(); more++) turn();
        const expected = Buffer.concat(messages.map((length) => pattern(length)));
        for (const [index, handler] of handlers.entries()) {
          expect(Buffer.concat(handler.received).subarray(before[index]).equals(expected)).toBe(true);
        }
      }),
      { numRuns: 25 },
    );
  });

  test("is told again in the next turn where a handler has left some of it", () => {
    const { tell, turn, handlers } = served(3, recorder);
    const [slow, other] = handlers;
    readByteByByte(slow);
    tell("abc", "def", "ghi");
    for (let rounds = 0; rounds < 3; rounds++) turn();
    expect(slow?.text.slice(-3)).toBe("abc");
    expect(other?.text.slice(-3)).toBe("def");
  });

  test("is told again under loop as well, which does not wait for the operating system then", async () => {
    const { tell, handlers, map } = served(3, recorder);
    const [slow] = handlers;
    readByteByByte(slow);
    tell("abcdef", "ghi", "jkl");
    await loop({ map, count: 6, timeoutMs: Infinity });
    expect(slow?.text.slice(-6)).toBe("abcdef");
  });

  test("waits for a channel that has left the map, and is told when it comes back", () => {
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

  test("is there to be read where a hang-up is told to a channel that does not read", () => {
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
    for (let rounds = 0; rounds < 4; rounds++) turn();
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
      expect(() => new FileWrapper(socket.fd, backend)).toThrow(expect.objectContaining({ code: "EBUSY", syscall: "dup" }));
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
    expect(() => peer.recv(1)).toThrow(expect.objectContaining({ code: "ECONNRESET" }));
  });

  test("is nobody's after its channel has closed, even where the descriptor is used again in the same turn", () => {
    const { tell, turn, handlers, backend, map } = served(3, recorder);
    const [first, second] = handlers;
    if (first === undefined || second === undefined) throw new Error("no handlers");
    const { fd } = second;
    const listening = listener(backend);
    const later: Recorder[] = [];
    first.handleRead = () => {
      first.recv(10);
      second.close();
      const [accepted, connected] = connectedPair(backend, listening);
      expect(connected.fd).toBe(fd);
      later.push(new Recorder(connected, map));
      accepted.send(bytes("new"));
    };
    tell("one", "old", "three");
    turn();
    expect(later[0]?.text).toBe("");
    turn();
    expect(later[0]?.text).toBe("new");
  });
});

describe("the end of a connection", () => {
  test.each([
    ["with the last bytes", (peer: Socket) => peer.shutdown("write")],
    ["and of its descriptor", (peer: Socket) => peer.close()],
  ])("is told, coming %s", (_name, end) => {
    const { tell, turn, handlers, peers } = served(3, recorder);
    tell("last", "last", "last");
    for (const peer of peers) end(peer);
    turn();
    turn();
    expect(handlers.map((handler) => [handler.text.slice(-4), handler.closes])).toEqual(Array(3).fill(["last", 1]));
  });

  test("is told, coming between two turns", () => {
    const { tell, turn, handlers, peers } = served(3, recorder);
    tell("last", "last", "last");
    turn();
    for (const peer of peers) peer.shutdown("write");
    turn();
    expect(handlers.map((handler) => [handler.text.slice(-4), handler.closes])).toEqual(Array(3).fill(["last", 1]));
  });

  test("is told when it is a reset", () => {
    const { tell, turn, handlers, peers } = served(3, recorder);
    tell("one", "two", "three");
    turn();
    for (const peer of peers) reset(peer);
    turn();
    expect(handlers.map(({ closes }) => closes)).toEqual([1, 1, 1]);
  });

  test("is told as a reset where something was left unread and something put off", () => {
    const { tell, turn, handlers, peers } = served(3, recorder);
    const [first] = handlers;
    const [peer] = peers;
    if (first === undefined || peer === undefined) throw new Error("no handler");
    const ends: string[] = [];
    readByteByByte(first);
    const handleRead = first.handleRead.bind(first);
    let isFirst = true;
    first.handleRead = () => {
      handleRead();
      if (!isFirst) return;
      isFirst = false;
      reset(peer);
      expect(first.send(bytes("x"))).toBe(1);
    };
    first.handleEof = () => void ends.push("end of input");
    first.handleClose = () => {
      ends.push("close");
      first.close();
    };
    tell("abc", "def", "ghi");
    for (let rounds = 0; rounds < 6; rounds++) turn();
    expect([first.text.slice(-3), ends]).toEqual(["abc", ["close"]]);
  });

  test("is told after what the operating system has of a message that was read ahead in part", () => {
    const { tell, turn, handlers, peers } = served(3, recorder);
    const [first] = handlers;
    const [peer] = peers;
    if (first === undefined || peer === undefined) throw new Error("no handler");
    const before = first.text.length;
    const handleRead = first.handleRead.bind(first);
    first.handleRead = () => {
      handleRead();
      if (first.text.length > before + 2048) return;
      reset(peer);
      first.send(bytes("x"));
    };
    tell(pattern(5000), "def", "ghi");
    for (let rounds = 0; rounds < 4; rounds++) turn();
    expect([Buffer.concat(first.received).length - before, first.closes]).toEqual([5000, 1]);
  });

  test("is told where it comes before what was sent", () => {
    const { tell, turn, handlers, peers } = served(3, echo);
    const closed: number[] = [];
    for (const [index, handler] of handlers.entries()) {
      handler.afterwards = () => reset(owned(peers[index] as Socket));
      handler.handleClose = () => {
        closed.push(index);
        handler.close();
      };
    }
    tell("one", "two", "three");
    for (let rounds = 0; rounds < 3; rounds++) turn();
    expect(closed).toEqual([0, 1, 2]);
  });

  test.each([
    ["a half-close", (handler: Echo) => handler.socket.shutdown("write")],
    ["a close", (handler: Echo) => handler.close()],
  ])("by %s comes after what was sent before it", (_name, end) => {
    const { tell, turn, handlers, peers } = served(3, echo);
    for (const handler of handlers) handler.afterwards = () => end(handler);
    tell("one", "two", "three");
    turn();
    expect(peers.map((peer) => text(drain(peer)))).toEqual(["one", "two", "three"]);
    expect(peers.map((peer) => peer.recv(1).length)).toEqual([0, 0, 0]);
  });
});

describe("what is put off", () => {
  test("is sent when the turn is over, and not before", () => {
    const { tell, turn, handlers, peers } = served(3, echo);
    const [, second] = handlers;
    const [peer] = peers;
    if (second === undefined || peer === undefined) throw new Error("no handler");
    let seen: Uint8Array | undefined = bytes("not looked");
    second.afterwards = () => {
      // A socket of another backend: this one's calls would send first.
      const [fd] = [peer.fd];
      const target = new Uint8Array(16);
      seen = target.subarray(0, Math.max(0, loadLibc().recv(fd, target, 16, 0)));
    };
    tell("one", "two", "three");
    turn();
    expect(seen).toHaveLength(0);
    expect(peers.map((each) => text(drain(each)))).toEqual(["one", "two", "three"]);
  });

  test("is sent before any other call of the backend has its effect", () => {
    const { tell, turn, handlers, peers } = served(3, echo);
    const [, second] = handlers;
    const [peer] = peers;
    if (second === undefined || peer === undefined) throw new Error("no handler");
    let seen: Uint8Array | undefined;
    second.afterwards = () => (seen = receiveSome(peer));
    tell("one", "two", "three");
    turn();
    expect(text(seen ?? new Uint8Array(0))).toBe("one");
  });

  test("keeps its order with everything else that is sent on the connection", () => {
    const { tell, turn, handlers, peers, backend } = served(3, echo);
    for (const handler of handlers) {
      const { socket } = handler;
      // Otherwise the kernel keeps small pieces back until the peer has acknowledged those before them.
      socket.setOption("TCP_NODELAY", 1);
      handler.afterwards = () => {
        handler.send(bytes("b"));
        socket.sendSomeOf([bytes("c"), bytes("d")]);
        handler.send(pattern(3000));
        backend.write(socket.fd, bytes("e"));
        handler.send(bytes("f"));
        socket.sendSomeOf([bytes("g"), pattern(4000)]);
      };
    }
    tell("a", "a", "a");
    turn();
    const expected = Buffer.concat([bytes("abcd"), pattern(3000), bytes("efg"), pattern(4000)]);
    expect(peers.map((peer) => drain(peer).equals(expected))).toEqual([true, true, true]);
  });

  test("is sent where a callback throws, and where it stops the loop", () => {
    const { tell, turn, handlers, peers } = served(3, echo);
    const [first, second] = handlers;
    if (first === undefined || second === undefined) throw new Error("no handler");
    first.afterwards = () => {
      throw new RangeError("of a handler");
    };
    first.handleError = () => {};
    second.afterwards = () => {
      throw new ExitNow();
    };
    tell("one", "two", "three");
    expect(turn).toThrow(ExitNow);
    expect(peers.map((peer) => text(drain(peer)))).toEqual(["one", "two", ""]);
    turn();
    expect(peers.map((peer) => text(drain(peer)))).toEqual(["", "", "three"]);
  });

  test.each([
    ["of the same backend", undefined],
    ["of another backend", batchingBackend()],
    ["over poll(2)", createNodeBackend({ poller: "poll" })],
  ])("is sent before a loop on another map, %s, waits inside a callback", (_name, other) => {
    const { tell, turn, handlers, peers, backend } = served(3, echo);
    const inner = newMap(other ?? backend);
    const [, second] = handlers;
    const [peer] = peers;
    if (second === undefined || peer === undefined) throw new Error("no handler");
    const listening = new Recorder(peer, inner);
    let inside = "";
    second.afterwards = () => {
      loopSync({ map: inner, count: 1 });
      inside = listening.text;
    };
    tell("one", "two", "three");
    turn();
    expect(inside).toBe("one");
    expect(peers.slice(1).map((each) => text(drain(each)))).toEqual(["two", "three"]);
  });

  test("is sent before a name is looked up, which may take long", () => {
    const { tell, turn, handlers, peers, backend } = served(3, echo);
    const [, second] = handlers;
    const [peer] = peers;
    if (second === undefined || peer === undefined) throw new Error("no handler");
    const target = new Uint8Array(16);
    let length = 0;
    second.afterwards = () => {
      backend.lookupSync("127.0.0.1", 4);
      length = loadLibc().recv(peer.fd, target, 16, 0);
    };
    tell("one", "two", "three");
    turn();
    expect(text(target.subarray(0, length))).toBe("one");
  });

  test("is sent where another poll set is asked inside a callback", () => {
    const { tell, turn, handlers, peers, backend } = served(3, echo);
    const [, second] = handlers;
    const [peer] = peers;
    if (second === undefined || peer === undefined) throw new Error("no handler");
    const set = backend.createPollSet();
    set.update(peer.fd, Ready.READ);
    let found = -1;
    second.afterwards = () => (found = set.wait(0));
    tell("one", "two", "three");
    turn();
    set.close();
    expect(found).toBe(1);
  });
});

test("urgent data is told where it comes to a connection that is served in batches", () => {
  class Urgent extends Recorder {
    urgent = "";
    override handleExpt(): void {
      this.urgent += text(this.socket.recvOutOfBand());
    }
  }
  const { tell, turn, handlers, peers } = served(3, (socket, map) => new Urgent(socket, map));
  tell("ab", "cd", "ef");
  for (const peer of peers) peer.sendOutOfBand(bytes("!"));
  for (const peer of peers) peer.send(bytes("z"));
  for (let rounds = 0; rounds < 4; rounds++) turn();
  expect(handlers.map(({ urgent }) => urgent)).toEqual(["!", "!", "!"]);
  expect(handlers.map((handler) => handler.text.slice(-3))).toEqual(["abz", "cdz", "efz"]);
});

test.each([0, -1, 1.5, NaN])("batchMin cannot be %d", (batchMin) => {
  expect(() => createNodeBackend({ batchMin })).toThrow(expect.objectContaining({ code: "ERR_OUT_OF_RANGE" }));
});
