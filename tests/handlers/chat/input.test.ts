/** AsyncChat's input, beyond terminators: limits, pauses, errors and close in the middle of a read. */

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AsyncChat, ExitNow } from "wasyncore";
import { InputBuffer, Step } from "../../../host/handlers/chat/input-buffer.js";
import { Chat, cutAt, lineChat, MemoryChat } from "../../support/chats.js";
import { MODES, newMap, run, turns } from "../../support/runs.js";
import { bytes, connectedPair, reset } from "../../support/sockets.js";

/** Goes on after a line that is too long. */
class Lenient extends MemoryChat {
  override handleLineTooLong(): void {
    this.told.push("too long");
    this.messages.push(`${this.collected()}...`);
  }
}

describe("maxLineLength", () => {
  test("a longer line is reported at the same byte whatever the cuts, and the next line comes as ever", () => {
    const map = newMap();
    const text = fc.array(fc.constantFrom("a", "b", "\r", "\r\n"), { maxLength: 60 }).map((parts) => parts.join(""));
    const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 30 });
    fc.assert(
      fc.property(text, cuts, fc.integer({ min: 1, max: 8 }), (input, places, limit) => {
        const chat = new Lenient(map);
        chat.maxLineLength = limit;
        chat.setTerminator("\r\n");
        chat.feed(...cutAt(bytes(`${input}\r\n`), places));
        const lines = `${input}\r\n`.split("\r\n").slice(0, -1);
        expect(chat.messages).toEqual(lines.map((line) => (line.length > limit ? `${line.slice(0, limit)}...` : line)));
        chat.close();
      }),
      { numRuns: 1000 },
    );
  });

  test.each([
    [Number.NaN, RangeError, "ERR_OUT_OF_RANGE"],
    [-1, RangeError, "ERR_OUT_OF_RANGE"],
    ["lots", TypeError, "ERR_INVALID_ARG_TYPE"],
  ])("%s is refused when there is input", (value, type, code) => {
    const chat = new Lenient(newMap());
    chat.setTerminator("\r\n");
    chat.maxLineLength = value as number;
    expect(() => chat.feed(bytes("a line\r\n"))).toThrow(
      expect.objectContaining({
        constructor: type,
        code,
        message: expect.stringContaining('"maxLineLength"') as string,
      }),
    );
    expect(chat.told).toEqual([]);
    chat.close();
  });

  test("is reported before the line has come to its end", () => {
    const chat = new Lenient(newMap());
    chat.maxLineLength = 4;
    chat.setTerminator("\n");
    chat.feed("ab", "cde");
    expect(chat.told).toEqual(["data ab", "data cd", "too long"]);
  });

  test("by default, closes the channel and logs why", () => {
    const chat = new MemoryChat(newMap());
    chat.maxLineLength = 4;
    chat.setTerminator("\n");
    chat.feed("12345\nnever told\n");
    expect(chat.told).toEqual(["data 1234", "close"]);
    expect(chat.fd).toBe(-1);
    expect(chat.logged).toEqual([
      "error: <MemoryChat connected> has sent no terminator within 4 bytes, closing channel",
    ]);
  });

  test.each([0, Infinity])("%d is no limit", (limit) => {
    const chat = new MemoryChat(newMap());
    chat.maxLineLength = limit;
    chat.setTerminator("\n");
    chat.feed("x".repeat(100_000), "\n");
    expect(chat.messages).toEqual(["x".repeat(100_000)]);
  });

  test("does not limit what a number or no terminator lets come", () => {
    const chat = new MemoryChat(newMap());
    chat.maxLineLength = 2;
    chat.setTerminator(5);
    chat.onFound = () => chat.setTerminator(null);
    chat.feed("12345678");
    expect(chat.told).toEqual(["data 12345", "found", "data 678"]);
  });
});

describe("in the middle of a read", () => {
  test("after close there is no callback", () => {
    const chat = new MemoryChat(newMap());
    chat.setTerminator("\n");
    chat.onFound = () => chat.close();
    chat.feed("one\ntwo\n");
    expect(chat.messages).toEqual(["one"]);
  });

  test("after discardBuffers the rest of the read is gone", () => {
    const chat = new MemoryChat(newMap());
    chat.setTerminator("\n");
    chat.onFound = () => chat.discardBuffers();
    chat.feed("STARTTLS\ninjected\n");
    chat.onFound = undefined;
    chat.feed("next\n");
    expect(chat.messages).toEqual(["STARTTLS", "next"]);
  });

  test("discardBuffers forgets the beginning of a terminator", () => {
    const chat = new MemoryChat(newMap());
    chat.setTerminator("\r\n");
    chat.feed("one\r");
    chat.discardBuffers();
    chat.feed("\ntwo\r\n");
    expect(chat.messages).toEqual(["\ntwo"]);
  });
});

describe("what is collected", () => {
  test("keeps none of the memory that was received into", () => {
    const memory = new Uint8Array(1000);
    memory.set(bytes("one\ntwo\n"), 100);
    const input = new InputBuffer();
    input.terminator = "\n";
    input.add(memory.subarray(100, 108));
    memory.fill(0);
    const lines: string[] = [];
    for (let step = input.next(Infinity); step !== Step.NOTHING; step = input.next(Infinity)) {
      if (step !== Step.DATA) continue;
      lines.push(Buffer.from(input.data).toString());
      expect(input.data.buffer.byteLength).toBe(8);
    }
    expect(lines).toEqual(["one", "two"]);
  });

  test("is not copied where it has memory of its own", () => {
    const input = new InputBuffer();
    const chunk = bytes("one");
    input.add(chunk.slice());
    expect(input.next(Infinity)).toBe(Step.DATA);
    const own = input.data;
    input.add(own);
    expect(input.next(Infinity)).toBe(Step.DATA);
    expect(input.data.buffer).toBe(own.buffer);
  });
});

describe.each(MODES)("$name", (mode) => {
  test("a pause holds the rest back, however often it is read, until it is resumed", async () => {
    const map = newMap();
    const [near, far] = connectedPair();
    const chat = lineChat(near, map);
    chat.onFound = () => chat.pauseReading();
    far.send(bytes("one\ntwo\nthree\n"));
    await run(mode, map, () => chat.messages.length > 0);
    await turns(mode, map, 3);
    expect(chat.messages).toEqual(["one"]);
    expect(map.snapshot()[0]?.interest.read).toBe(false);
    chat.resumeReading();
    expect(chat.messages).toEqual(["one"]);
    await turns(mode, map, 2);
    expect(chat.messages).toEqual(["one", "two"]);
    chat.onFound = undefined;
    chat.resumeReading();
    await turns(mode, map, 2);
    expect(chat.messages).toEqual(["one", "two", "three"]);
    expect(map.stats().timersNow).toBe(0);
  });

  test("a pause in collectIncomingData holds the terminator back", async () => {
    const map = newMap();
    class Pausing extends Chat {
      override collectIncomingData(data: Uint8Array): void {
        super.collectIncomingData(data);
        this.pauseReading();
      }
    }
    const [near, far] = connectedPair();
    const chat = new Pausing(near, map);
    chat.setTerminator("\n");
    far.send(bytes("one\n"));
    await run(mode, map, () => chat.told.length > 0);
    expect(chat.told).toEqual(["data one"]);
    chat.resumeReading();
    await turns(mode, map, 2);
    expect(chat.told).toEqual(["data one", "found"]);
  });

  test("input that a pause held back is delivered when the channel comes back into the map, and never after close", async () => {
    const map = newMap();
    const [near, far] = connectedPair();
    const chat = lineChat(near, map);
    chat.onFound = () => chat.pauseReading();
    far.send(bytes("one\ntwo\nthree\n"));
    await run(mode, map, () => chat.messages.length === 1);
    chat.delChannel();
    chat.resumeReading();
    chat.addChannel();
    await run(mode, map, () => chat.messages.length === 2);
    chat.resumeReading();
    chat.close();
    expect(map.stats().timersNow).toBe(0);
    await run(mode, map);
    expect(chat.messages).toEqual(["one", "two"]);
  });

  test("a callback that throws loses no line that was read with it", async () => {
    const map = newMap();
    const [near, far] = connectedPair();
    const chat = lineChat(near, map);
    chat.onFound = () => {
      if (chat.messages.at(-1) === "bad") throw new Error("bad line");
    };
    far.send(bytes("one\nbad\nbad\ntwo\n"));
    await run(mode, map, () => chat.messages.length === 4);
    expect(chat.messages).toEqual(["one", "bad", "bad", "two"]);
    expect(chat.errors).toHaveLength(2);
  });

  test("ExitNow from a callback that follows a pause leaves the loop, and the next loop goes on", async () => {
    const map = newMap();
    const [near, far] = connectedPair();
    const chat = lineChat(near, map);
    chat.onFound = () => chat.pauseReading();
    far.send(bytes("one\ntwo\nthree\n"));
    await run(mode, map, () => chat.messages.length === 1);
    chat.onFound = () => {
      if (chat.messages.length === 2) throw new ExitNow("enough");
    };
    chat.resumeReading();
    await expect(run(mode, map, () => chat.messages.length === 3)).rejects.toThrow("enough");
    await run(mode, map, () => chat.messages.length === 3);
    expect(chat.errors).toEqual([]);
  });

  test("the beginning of a terminator is dropped at the end of input", async () => {
    const map = newMap();
    const [near, far] = connectedPair();
    const chat = new Chat(near, map);
    chat.setTerminator("\r\n");
    far.send(bytes("one\r\ntwo\r"));
    far.shutdown("write");
    await run(mode, map);
    expect(chat.told).toEqual(["data one", "found", "data two", "close"]);
  });

  test("a read takes acInBufferSize bytes", async () => {
    const map = newMap();
    const [near, far] = connectedPair();
    const chat = new Chat(near, map);
    chat.acInBufferSize = 3;
    far.send(bytes("12345678"));
    far.close();
    await run(mode, map);
    expect(chat.told).toEqual(["data 123", "data 456", "data 78", "close"]);
  });

  test("by default, a reset closes silently", async () => {
    const map = newMap();
    const [near, far] = connectedPair();
    const chat = lineChat(near, map);
    reset(far);
    await run(mode, map);
    expect(chat.told).toEqual(["close"]);
    expect(chat.logged).toEqual([]);
  });

  test.each(["collectIncomingData", "foundTerminator"] as const)(
    "%s that is not implemented is an error that names it",
    async (name) => {
      const map = newMap();
      class Half extends AsyncChat {
        readonly errors: unknown[] = [];
        override handleError(error: unknown): void {
          this.errors.push(error);
          this.close();
        }
      }
      const [near, far] = connectedPair();
      const half = new Half(near, map);
      if (name === "foundTerminator") half.collectIncomingData = () => undefined;
      half.setTerminator("\n");
      far.send(bytes("x\n"));
      await run(mode, map);
      expect(half.errors).toEqual([
        expect.objectContaining({ code: "ERR_METHOD_NOT_IMPLEMENTED", message: expect.stringContaining(name) }),
      ]);
    },
  );
});
