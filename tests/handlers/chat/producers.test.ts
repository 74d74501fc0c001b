/** Producers of AsyncChat: asynchat's, and iterables. async-chat-async-producers.test.ts has those that are waited for. */

import { describe, expect, test } from "vitest";
import { type ProducerLike, SimpleProducer } from "wasyncore";
import { MemoryChat } from "../../support/chats.js";
import { newMap } from "../../support/runs.js";
import { bytes, pattern, text } from "../../support/sockets.js";

describe("SimpleProducer", () => {
  test("gives its data in pieces of its size, then nothing", () => {
    const producer = new SimpleProducer("1234567", 3);
    expect(Array.from({ length: 5 }, () => text(producer.more()))).toEqual(["123", "456", "7", "", ""]);
  });

  test("pieces have 512 bytes", () => {
    expect(new SimpleProducer(pattern(1000)).more()).toHaveLength(512);
  });

  test("a size below 1 is a RangeError", () => {
    expect(() => new SimpleProducer("x", 0)).toThrow(RangeError);
  });
});

describe("a producer", () => {
  const kinds: [string, () => ProducerLike][] = [
    ["SimpleProducer", () => new SimpleProducer("onetwothree", 4)],
    [
      "an object with more()",
      () => {
        const pieces = ["one", bytes("two"), "three", ""];
        return { more: () => pieces.shift() ?? "" };
      },
    ],
    ["an array, empty pieces or not", () => ["one", "", bytes("two"), "three"]],
    [
      "a generator",
      () =>
        (function* () {
          yield "one";
          yield bytes("two");
          yield "three";
        })(),
    ],
  ];

  test.each(kinds)("may be %s, and keeps its place among pushes", (_name, make) => {
    const chat = new MemoryChat(newMap());
    chat.memory.room = 0;
    chat.push("<");
    chat.pushWithProducer(make());
    chat.push("|");
    chat.pushWithProducer(make());
    chat.push(">");
    chat.memory.room = Infinity;
    chat.handleWriteEvent();
    expect(text(chat.memory.sent)).toBe("<onetwothree|onetwothree>");
  });

  test("may be bytes or a string, which an overridden push does not change: as in asynchat", () => {
    class LineChat extends MemoryChat {
      override push(line: string): boolean {
        return super.push(`${line}\r\n`);
      }
    }
    const chat = new LineChat(newMap());
    chat.push("150 here it comes");
    chat.pushWithProducer(bytes("one"));
    chat.pushWithProducer("two");
    expect(text(chat.memory.sent)).toBe("150 here it comes\r\nonetwo");
  });

  test("is asked at once, as far as a send has room, and no further before that is sent", () => {
    const chat = new MemoryChat(newMap());
    chat.memory.room = 100;
    chat.acOutBufferSize = 1000;
    let asked = 0;
    chat.pushWithProducer({ more: () => pattern(++asked <= 50 ? 300 : 0) });
    expect(asked).toBe(4);
    chat.handleWriteEvent();
    expect(asked).toBe(4);
    chat.memory.room = Infinity;
    while (chat.isWatchedForWriting) chat.handleWriteEvent();
    expect(asked).toBe(51);
    expect(chat.memory.sent).toHaveLength(15_000);
  });

  test("that gives single bytes is asked for no more of them than one call of the system takes", () => {
    const chat = new MemoryChat(newMap());
    let asked = 0;
    chat.pushWithProducer({ more: () => (++asked <= 1000 ? "x" : "") });
    expect(asked).toBe(64);
    while (chat.isWatchedForWriting) chat.handleWriteEvent();
    expect(chat.memory.sent).toHaveLength(1000);
  });

  test("that throws is reported by the call that sends, and is called again by the next send", () => {
    const chat = new MemoryChat(newMap());
    const pieces = [new Error("not yet"), "late"];
    const producer = {
      more(): string {
        const piece = pieces.shift() ?? "";
        if (piece instanceof Error) throw piece;
        return piece;
      },
    };
    expect(() => chat.pushWithProducer(producer)).toThrow("not yet");
    chat.handleWriteEvent();
    expect(text(chat.memory.sent)).toBe("late");
  });

  test("may push, close or discard from inside more()", () => {
    const map = newMap();
    for (const [act, expected] of [
      [(chat: MemoryChat) => chat.push("pushed"), "onepushed"],
      [(chat: MemoryChat) => chat.close(), ""],
      [(chat: MemoryChat) => chat.discardBuffers(), ""],
    ] as const) {
      const chat = new MemoryChat(map);
      let asked = 0;
      chat.pushWithProducer({
        more() {
          asked += 1;
          if (asked > 1) return "";
          act(chat);
          return "one";
        },
      });
      while (chat.isWatchedForWriting) chat.handleWriteEvent();
      expect(text(chat.memory.sent)).toBe(expected);
      chat.close();
    }
  });

  test("of something else than bytes is a TypeError", () => {
    const chat = new MemoryChat(newMap());
    expect(() => chat.pushWithProducer([5] as unknown as string[])).toThrow(TypeError);
  });

  test.each([[{}], [null], [5]])("%j is none", (producer) => {
    const chat = new MemoryChat(newMap());
    expect(() => chat.pushWithProducer(producer as unknown as ProducerLike)).toThrow(TypeError);
    expect(chat.isWatchedForWriting).toBe(false);
  });

  test("that is an iterator is returned when the channel closes, unless it has ended", () => {
    const map = newMap();
    const returned: string[] = [];
    function* named(name: string, count: number): Generator<string> {
      try {
        for (let index = 0; index < count; index++) yield name;
      } finally {
        returned.push(name);
      }
    }
    const chat = new MemoryChat(map);
    chat.acOutBufferSize = 3;
    chat.pushWithProducer(named("a", 1));
    while (chat.isWatchedForWriting) chat.handleWriteEvent();
    expect(returned).toEqual(["a"]);
    chat.pushWithProducer(named("b", 100));
    chat.close();
    expect(returned).toEqual(["a", "b"]);
  });

  test("whose return throws does not keep the channel from closing, and is logged", () => {
    const chat = new MemoryChat(newMap());
    chat.acOutBufferSize = 1;
    const iterator = {
      next: () => ({ value: "x", done: false }),
      return: () => {
        throw new Error("stuck");
      },
    };
    chat.pushWithProducer({ [Symbol.iterator]: () => iterator });
    chat.close();
    expect(chat.fd).toBe(-1);
    expect(chat.logged).toEqual([expect.stringContaining("gave up a producer, which threw (Error: stuck")]);
  });
});
