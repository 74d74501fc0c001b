/** AsyncChat's output: what is pushed arrives in order, in few sends, and never more is held than was pushed. */

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AsyncChat, OSError } from "wasyncore";
import { Chat, lineChat, MemoryChat } from "./support/chats.js";
import { Recorder } from "./support/handlers.js";
import { MODES, newMap, run, turns } from "./support/runs.js";
import { bytes, connectedPair, FAMILIES, listener, pattern, reset, text } from "./support/sockets.js";

/** A chat whose endpoint takes no more than `room` bytes at first. */
function chatWithRoom(room: number): MemoryChat {
  const chat = new MemoryChat(newMap());
  chat.memory.room = room;
  return chat;
}

describe("push", () => {
  test("sends at once what the socket takes", () => {
    const chat = chatWithRoom(Infinity);
    expect(chat.push("one ")).toBe(true);
    expect(chat.push(bytes("two"))).toBe(true);
    expect(chat.memory.sends.map(text)).toEqual(["one ", "two"]);
    expect(chat.isWatchedForWriting).toBe(false);
  });

  test("a string is sent as UTF-8", () => {
    const chat = chatWithRoom(Infinity);
    chat.push("é€");
    expect(chat.memory.sent).toEqual(Buffer.from("é€"));
  });

  test.each([[5], [null], [["a"]], [new ArrayBuffer(1)]])("%j is a TypeError, and nothing is queued", (data) => {
    const chat = chatWithRoom(Infinity);
    expect(() => chat.push(data as unknown as string)).toThrow(expect.objectContaining({ name: "TypeError", code: "ERR_INVALID_ARG_TYPE" }));
    expect(chat.outBufferLength).toBe(0);
  });

  test("nothing is no reason to send", () => {
    const chat = chatWithRoom(Infinity);
    expect(chat.push("")).toBe(true);
    expect(chat.memory.sends).toEqual([]);
    expect(chat.isWatchedForWriting).toBe(false);
  });

  test("a full socket is not tried again until it can be written to", () => {
    const chat = chatWithRoom(2);
    chat.push("12345");
    chat.push("678");
    expect(chat.memory.sends.map(text)).toEqual(["12"]);
    expect(chat.isWatchedForWriting).toBe(true);
    chat.memory.room = Infinity;
    chat.handleWriteEvent();
    expect(chat.memory.sends.map(text)).toEqual(["12", "345678"]);
    expect(chat.isWatchedForWriting).toBe(false);
  });

  test.each([1, 3000, 100_000])("the caller may change its %d bytes at once: what waits is a copy", (length) => {
    const chat = chatWithRoom(Math.floor(length / 3));
    const data = Buffer.from(pattern(length));
    const expected = Buffer.concat([data, data]);
    chat.push(data);
    chat.push(data);
    data.fill(0);
    chat.memory.room = Infinity;
    while (chat.outBufferLength > 0) chat.handleWriteEvent();
    expect(chat.memory.sent.equals(expected)).toBe(true);
  });

  test("one send is given acOutBufferSize bytes at the most", () => {
    const chat = chatWithRoom(Infinity);
    chat.acOutBufferSize = 4;
    chat.push("1234567890");
    expect(chat.memory.sends.map(text)).toEqual(["1234"]);
    chat.handleWriteEvent();
    chat.handleWriteEvent();
    expect(chat.memory.sends.map(text)).toEqual(["1234", "5678", "90"]);
  });

  test("10,000 small pieces that wait are sent 64 KiB at a time", () => {
    const chat = chatWithRoom(0);
    for (let index = 0; index < 10_000; index++) chat.push(`line ${index}\r\n`);
    const { length } = Array.from({ length: 10_000 }, (_, index) => `line ${index}\r\n`).join("");
    expect(chat.outBufferLength).toBe(length);
    chat.memory.sends.length = 0;
    chat.memory.room = Infinity;
    while (chat.outBufferLength > 0) chat.handleWriteEvent();
    expect(chat.memory.sends.map((each) => each.length)).toEqual([65536, length - 65536]);
    expect(text(chat.memory.sent).startsWith("line 0\r\nline 1\r\n")).toBe(true);
    expect(text(chat.memory.sent).endsWith("line 9999\r\n")).toBe(true);
  });

  test("one send has 64 pieces at the most, however much it may be given", () => {
    const chat = chatWithRoom(0);
    chat.acOutBufferSize = 1_000_000;
    for (let index = 0; index < 200; index++) chat.push(new Uint8Array(2000));
    chat.memory.room = Infinity;
    while (chat.outBufferLength > 0) chat.handleWriteEvent();
    expect(chat.memory.mostPieces).toBe(64);
    expect(chat.memory.sent).toHaveLength(400_000);
  });

  test("whatever is pushed and however little is taken, the bytes arrive in order", () => {
    const map = newMap();
    const all = pattern(500_000);
    const step = fc.oneof(
      fc.record({ push: fc.integer({ min: 0, max: 3000 }) }),
      fc.record({ produce: fc.array(fc.integer({ min: 1, max: 2000 }), { maxLength: 5 }) }),
      fc.record({ room: fc.integer({ min: 0, max: 4000 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.integer({ min: 1, max: 2000 }), (steps, size) => {
        const chat = new MemoryChat(map);
        chat.acOutBufferSize = size;
        let at = 0;
        const next = (length: number): Uint8Array => all.subarray(at, (at += length));
        for (const each of steps) {
          if ("push" in each) chat.push(next(each.push));
          else if ("produce" in each) chat.pushWithProducer(each.produce.map(next));
          else {
            chat.memory.room = each.room;
            chat.handleWriteEvent();
          }
        }
        chat.memory.room = Infinity;
        while (chat.isWatchedForWriting) chat.handleWriteEvent();
        expect(chat.memory.sent.equals(all.subarray(0, at))).toBe(true);
        expect(chat.memory.sends.every((each) => each.length <= size)).toBe(true);
        chat.close();
      }),
      { numRuns: 300 },
    );
  });

  test("a subclass that overrides send sees everything that is sent", () => {
    const seen: string[] = [];
    class Watched extends MemoryChat {
      override send(data: Uint8Array): number {
        seen.push(text(data));
        return super.send(data.subarray(0, 4));
      }
    }
    const chat = new Watched(newMap());
    chat.push("123456");
    chat.push("78");
    while (chat.outBufferLength > 0) chat.handleWriteEvent();
    expect(seen).toEqual(["123456", "56", "78"]);
    expect(text(chat.memory.sent)).toBe("12345678");
  });

  test("an error of the socket is told handleError, and not thrown", () => {
    const chat = chatWithRoom(Infinity);
    chat.memory.sendError = new OSError("ENOBUFS", { errno: -105, syscall: "send" });
    chat.push("x");
    expect(chat.told).toEqual(["error send ENOBUFS"]);
  });

  test("when the peer is gone handleClose is told, and what waits is dropped", () => {
    const chat = chatWithRoom(0);
    chat.push("x");
    chat.memory.sendError = new OSError("EPIPE", { errno: -32, syscall: "send" });
    chat.handleWriteEvent();
    expect(chat.told).toEqual(["close"]);
    expect(chat.outBufferLength).toBe(0);
    expect(chat.push("y")).toBe(false);
    expect(chat.outBufferLength).toBe(0);
  });

  test("discardBuffers drops what waits", () => {
    const chat = chatWithRoom(1);
    chat.push("12345");
    chat.closeWhenDone();
    chat.discardBuffers();
    expect(chat.outBufferLength).toBe(0);
    expect(chat.isWatchedForWriting).toBe(false);
    chat.memory.room = Infinity;
    chat.push("6");
    expect(text(chat.memory.sent)).toBe("16");
    expect(chat.told).toEqual([]);
  });
});

describe("water marks", () => {
  test("push says when the high mark is reached, and handleDrain when the low one is", () => {
    const chat = chatWithRoom(0);
    chat.highWaterMark = 10;
    chat.lowWaterMark = 4;
    expect(chat.push("12345")).toBe(true);
    expect(chat.writableNeedDrain).toBe(false);
    expect(chat.push("67890")).toBe(false);
    expect(chat.writableNeedDrain).toBe(true);
    chat.memory.room = 5;
    chat.handleWriteEvent();
    expect([chat.drains, chat.writableNeedDrain]).toEqual([0, true]);
    expect(chat.push("")).toBe(true);
    chat.memory.room = 1;
    chat.handleWriteEvent();
    expect([chat.drains, chat.writableNeedDrain, chat.outBufferLength]).toEqual([1, false, 4]);
  });

  test("handleDrain never comes inside a push, but from the loop, and once", () => {
    const chat = chatWithRoom(Infinity);
    chat.acOutBufferSize = 10;
    chat.highWaterMark = 10;
    chat.lowWaterMark = 4;
    chat.push("x".repeat(20));
    chat.push("");
    chat.push("y");
    expect(chat.drains).toBe(0);
    expect(chat.isWatchedForWriting).toBe(true);
    chat.handleWriteEvent();
    expect(chat.drains).toBe(1);
    expect(chat.isWatchedForWriting).toBe(false);
  });

  test("discarding what waits is a way to drain", () => {
    const chat = chatWithRoom(0);
    chat.highWaterMark = 1;
    chat.push("1");
    chat.discardBuffers();
    chat.handleWriteEvent();
    expect(chat.drains).toBe(1);
  });
});

describe.each(MODES)("$name", (mode) => {
  test("whoever heeds the water marks bounds what waits", async () => {
    const map = newMap();
    const [near, far] = connectedPair();
    const piece = pattern(1024);
    let most = 0;
    let left = 10_000;
    class Pushing extends Chat {
      override handleDrain(): void {
        while (left > 0) {
          left -= 1;
          const more = this.push(piece);
          most = Math.max(most, this.outBufferLength);
          if (!more) return;
        }
        this.closeWhenDone();
      }
    }
    const chat = new Pushing(near, map);
    const reader = new Recorder(far, map, 4096);
    chat.handleDrain();
    await run(mode, map);
    expect(reader.received.reduce((sum, each) => sum + each.length, 0)).toBe(10_240_000);
    expect(most).toBeLessThanOrEqual(chat.highWaterMark + piece.length);
  });

  test.each(FAMILIES)("half a megabyte in 5,000 pushes arrives in order at a slow reader: %s", async (family) => {
    const map = newMap();
    const [near, far] = connectedPair(family);
    near.setOption("SO_SNDBUF", 4096);
    const chat = lineChat(near, map);
    const data = pattern(500_000);
    for (let at = 0; at < data.length; at += 100) chat.push(data.subarray(at, at + 100));
    chat.closeWhenDone();
    const reader = new Recorder(far, map, 3000);
    await run(mode, map);
    expect(Buffer.concat(reader.received).equals(data)).toBe(true);
    expect(chat.told).toEqual(["close"]);
  });

  test("what is pushed before the connection is made, and in handleConnect, is sent when it is", async () => {
    const map = newMap();
    const [server, address] = listener();
    class Greeting extends Chat {
      override handleConnect(): void {
        this.push("two ");
      }
    }
    const chat = new Greeting(undefined, map);
    chat.push("one ");
    chat.createSocket();
    chat.connect(address);
    chat.push("and ");
    await run(mode, map, () => chat.connected && chat.outBufferLength === 0);
    const [accepted] = server.accept() ?? [];
    if (accepted === undefined) throw new Error("nothing to accept");
    const reader = new Recorder(accepted, map);
    chat.closeWhenDone();
    await run(mode, map);
    expect(reader.text).toBe("one and two ");
  });

  test("a channel that has nothing to send is not asked, and costs no turn", async () => {
    const map = newMap();
    const [near] = connectedPair();
    const chat = lineChat(near, map);
    const before = map.stats();
    await turns(mode, map, 5);
    const after = map.stats();
    expect([after.asked - before.asked, after.writes - before.writes]).toEqual([0, 0]);
    chat.push("x");
    await turns(mode, map, 5);
    expect(map.stats().writes - before.writes).toBe(0);
  });

  test("one that overrides writable is asked, and sees what asynchat says", async () => {
    const map = newMap();
    const said: boolean[] = [];
    class Asked extends Chat {
      override writable(): boolean {
        said.push(super.writable());
        return super.writable();
      }
    }
    const [near, far] = connectedPair();
    const chat = new Asked(near, map);
    await turns(mode, map, 1);
    near.setOption("SO_SNDBUF", 4096);
    while (chat.push(pattern(8192)));
    await turns(mode, map, 1);
    expect(said).toEqual([false, true]);
    far.close();
  });

  test("closeWhenDone closes with nothing to send, but not inside the call", async () => {
    const map = newMap();
    const [near] = connectedPair();
    const chat = lineChat(near, map);
    chat.closeWhenDone();
    expect(chat.told).toEqual([]);
    await run(mode, map);
    expect(chat.told).toEqual(["close"]);
  });

  test("a reset with megabytes waiting is one handleClose", async () => {
    const map = newMap();
    const [near, far] = connectedPair();
    const chat = lineChat(near, map);
    for (let index = 0; index < 100; index++) chat.push(new Uint8Array(100_000));
    reset(far);
    await run(mode, map);
    expect(chat.told).toEqual(["close"]);
    expect(chat.outBufferLength).toBe(0);
  });

  test("a closed channel can be given a new socket, and starts anew", async () => {
    const map = newMap();
    const [near, far] = connectedPair();
    const chat = lineChat(near, map);
    far.send(bytes("half a line"));
    await run(mode, map, () => chat.told.length > 0);
    chat.pauseReading();
    chat.endWriting();
    chat.close();
    const [again, peer] = connectedPair();
    chat.setSocket(again);
    chat.discardBuffers();
    expect(chat.push("hello\n")).toBe(true);
    peer.send(bytes("line\n"));
    await run(mode, map, () => chat.messages.length > 0);
    expect(chat.messages).toEqual(["line"]);
    expect(text(peer.recv(100))).toBe("hello\n");
  });
});

test("AsyncChat takes a socket in its constructor, into the map it is given", () => {
  const map = newMap();
  const [near] = connectedPair();
  const chat = new AsyncChat(near, map);
  expect([chat.connected, map.get(near.fd) === chat]).toEqual([true, true]);
});
