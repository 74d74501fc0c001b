/**
 * AsyncChat's output, on an endpoint in memory: what is pushed goes out in order, in few sends, and never more is held
 * than was pushed. async-chat-output-loop.test.ts has it on sockets.
 */

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { OSError } from "wasyncore";
import { MemoryChat } from "../../support/chats.js";
import { newMap } from "../../support/runs.js";
import { bytes, pattern, text } from "../../support/sockets.js";

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
    expect(() => chat.push(data as unknown as string)).toThrow(
      expect.objectContaining({ name: "TypeError", code: "ERR_INVALID_ARG_TYPE" }),
    );
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

  test("one send is given acOutBufferSize bytes at most, and follows the one before while the socket takes all", () => {
    const chat = chatWithRoom(10);
    chat.acOutBufferSize = 4;
    chat.push("123456789012");
    expect(chat.memory.sends.map(text)).toEqual(["1234", "5678", "90"]);
    expect(chat.outBufferLength).toBe(2);
  });

  test("initiateSend sends once", () => {
    const chat = chatWithRoom(0);
    chat.acOutBufferSize = 4;
    chat.push("12345678");
    chat.memory.sends.length = 0;
    chat.memory.room = Infinity;
    chat.initiateSend();
    expect(chat.memory.sends.map(text)).toEqual(["1234"]);
  });

  test("an overridden initiateSend is called for every send, and one that sends nothing ends the turn", () => {
    let calls = 0;
    class Counting extends MemoryChat {
      override initiateSend(): void {
        calls += 1;
        if (calls <= 2) super.initiateSend();
      }
    }
    const chat = new Counting(newMap());
    chat.acOutBufferSize = 4;
    chat.memory.room = Infinity;
    chat.push("123456789012");
    expect(calls).toBe(3);
    expect(chat.memory.sends.map(text)).toEqual(["1234", "5678"]);
  });

  test.each([
    ["16 sends", 10, 1000, 160],
    ["1 MiB", 524_288, 4 * 1_048_576, 1_048_576],
  ])("one turn has at most %s of a channel", (_what, size, pushed, sent) => {
    const chat = chatWithRoom(Infinity);
    chat.acOutBufferSize = size;
    chat.push(pattern(pushed));
    expect(chat.memory.sent).toHaveLength(sent);
    chat.handleWriteEvent();
    expect(chat.memory.sent).toHaveLength(2 * sent);
    while (chat.outBufferLength > 0) chat.handleWriteEvent();
    expect(chat.memory.sent.equals(pattern(pushed))).toBe(true);
  });

  test("after a short send nothing more is tried in the turn", () => {
    const chat = chatWithRoom(0);
    chat.push(pattern(100));
    chat.acOutBufferSize = 10;
    chat.memory.sends.length = 0;
    chat.memory.room = 15;
    chat.handleWriteEvent();
    expect(chat.memory.sends.map((each) => each.length)).toEqual([10, 5]);
  });

  test("10,000 small pieces that wait are sent together", () => {
    const chat = chatWithRoom(0);
    for (let index = 0; index < 10_000; index++) chat.push(`line ${index}\r\n`);
    const { length } = Array.from({ length: 10_000 }, (_, index) => `line ${index}\r\n`).join("");
    expect(chat.outBufferLength).toBe(length);
    chat.memory.sends.length = 0;
    chat.memory.room = Infinity;
    while (chat.outBufferLength > 0) chat.handleWriteEvent();
    expect(chat.memory.sends.map((each) => each.length)).toEqual([length]);
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
    expect(seen).toEqual(["123456", "5678"]);
    expect(text(chat.memory.sent)).toBe("12345678");
  });

  test("an error of the socket goes to handleError, and is not thrown", () => {
    const chat = chatWithRoom(Infinity);
    chat.memory.sendError = new OSError("ENOBUFS", { errno: -105, syscall: "send" });
    chat.push("x");
    expect(chat.told).toEqual(["error send ENOBUFS"]);
  });

  test("when the peer is gone handleClose is called, and pending output is dropped", () => {
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

  test.each([
    ["highWaterMark", Number.NaN],
    ["highWaterMark", -1],
    ["lowWaterMark", Number.NaN],
    ["lowWaterMark", -1],
  ] as const)("a %s of %s is refused when the high mark is reached", (name, value) => {
    const chat = chatWithRoom(0);
    chat.highWaterMark = 10;
    chat[name] = value;
    const pushed = expect.objectContaining({
      ...{ constructor: RangeError, code: "ERR_OUT_OF_RANGE" },
      message: `"${name}" must be 0 or more, got ${value}`,
    }) as Error;
    expect(() => chat.push("x".repeat(10))).toThrow(pushed);
    expect([chat.outBufferLength, chat.writableNeedDrain]).toEqual([10, false]);
    chat.highWaterMark = Infinity;
    expect(chat.push("y")).toBe(true);
  });

  test("handleDrain never comes inside a push, but from the loop, and once", () => {
    const chat = chatWithRoom(10);
    chat.acOutBufferSize = 10;
    chat.highWaterMark = 10;
    chat.lowWaterMark = 4;
    chat.push("x".repeat(20));
    chat.push("");
    chat.push("y");
    expect(chat.drains).toBe(0);
    expect(chat.isWatchedForWriting).toBe(true);
    chat.memory.room = Infinity;
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

describe("what is pushed while a send is being made", () => {
  test("by an overridden send, comes after it", () => {
    class Nested extends MemoryChat {
      override send(data: Uint8Array): number {
        if (this.memory.sends.length < 2) this.push("nested ");
        return super.send(data);
      }
    }
    const chat = new Nested(newMap());
    chat.push("first ");
    while (chat.outBufferLength > 0) chat.handleWriteEvent();
    expect(text(chat.memory.sent)).toBe("first nested nested ");
  });

  test("by handleError, comes after what could not be sent", () => {
    class Apologizing extends MemoryChat {
      override handleError(): void {
        this.memory.sendError = undefined;
        this.push("sorry");
      }
    }
    const chat = new Apologizing(newMap());
    chat.memory.sendError = new OSError("ENOBUFS", { syscall: "send" });
    chat.push("first ");
    while (chat.outBufferLength > 0) chat.handleWriteEvent();
    expect(text(chat.memory.sent)).toBe("first sorry");
  });

  test("is all that is left when the rest was discarded meanwhile", () => {
    class Discarding extends MemoryChat {
      override send(data: Uint8Array): number {
        const sent = super.send(data);
        if (this.memory.sends.length === 1) {
          this.discardBuffers();
          this.push("new");
        }
        return sent;
      }
    }
    const chat = new Discarding(newMap());
    chat.memory.room = 2;
    chat.push("old");
    chat.memory.room = Infinity;
    while (chat.outBufferLength > 0) chat.handleWriteEvent();
    expect(text(chat.memory.sent)).toBe("olnew");
  });
});
