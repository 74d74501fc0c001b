/** Producers of AsyncChat that are waited for: async iterables, and streams of Node's. */

import { Readable } from "node:stream";
import { describe, expect, test } from "vitest";
import { ExitNow } from "wasyncore";
import { lineChat, MemoryChat } from "../../support/chats.js";
import { Recorder } from "../../support/handlers.js";
import { MODES, newMap, run, turns } from "../../support/runs.js";
import { connectedPair, pattern } from "../../support/sockets.js";

const HOSTED = MODES.filter((mode) => !mode.blocking);

/** A promise, and how to settle it. */
function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (error: Error) => void } {
  let resolve: (value: T) => void = () => undefined;
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

describe.each(HOSTED)("an async iterable under $name", (mode) => {
  test("gives its pieces in their place among pushes, and the loop does not spin while it waits", async () => {
    const map = newMap();
    const [near, far] = connectedPair();
    const chat = lineChat(near, map);
    const reader = new Recorder(far, map);
    const gate = deferred<string>();
    async function* pieces(): AsyncGenerator<string> {
      yield "one ";
      yield await gate.promise;
      yield "";
      yield "three ";
    }
    chat.push("zero ");
    chat.pushWithProducer(pieces());
    chat.push("four");
    chat.closeWhenDone();
    await run(mode, map, () => reader.text === "zero one ");
    expect(chat.outBufferLength).toBe(4);
    await turns(mode, map, 5);
    expect(map.snapshot().map(({ interest }) => interest.write)).toEqual([false, false]);
    const { writes } = map.stats();
    await turns(mode, map, 5);
    expect(map.stats().writes).toBe(writes);
    gate.resolve("two ");
    await run(mode, map);
    expect(reader.text).toBe("zero one two three four");
  });

  test("that overrides of readable do not make spin either", async () => {
    const map = newMap();
    class Asked extends MemoryChat {
      override readable(): boolean {
        return true;
      }
    }
    const chat = new Asked(map);
    chat.pushWithProducer(
      (async function* () {
        yield await new Promise<string>(() => undefined);
      })(),
    );
    expect(chat.writable()).toBe(false);
  });

  test("a stream of Node's is one, and megabytes of it arrive", async () => {
    const map = newMap();
    const [near, far] = connectedPair();
    const chat = lineChat(near, map);
    const reader = new Recorder(far, map);
    const data = Buffer.from(pattern(3_000_000));
    const pieces = Array.from({ length: 60 }, (_, index) => data.subarray(index * 50_000, (index + 1) * 50_000));
    chat.pushWithProducer(Readable.from(pieces));
    chat.closeWhenDone();
    await run(mode, map);
    expect(Buffer.concat(reader.received).equals(data)).toBe(true);
  });

  test("what it throws goes to handleError", async () => {
    const map = newMap();
    const [near] = connectedPair();
    const chat = lineChat(near, map);
    chat.pushWithProducer(
      (async function* () {
        yield "x";
        throw new Error("disk");
      })(),
    );
    await run(mode, map, () => chat.errors.length > 0);
    expect(chat.told).toEqual(["error disk"]);
    chat.closeWhenDone();
    await run(mode, map);
    expect(chat.told).toEqual(["error disk", "close"]);
  });

  test("ExitNow that it throws leaves the loop", async () => {
    const map = newMap();
    const [near] = connectedPair();
    const chat = lineChat(near, map);
    chat.pushWithProducer(
      (async function* () {
        yield "x";
        throw new ExitNow("enough");
      })(),
    );
    await expect(run(mode, map, () => chat.errors.length > 0)).rejects.toThrow("enough");
  });

  test("is asked for one piece at a time, and no further than a send has room", async () => {
    const map = newMap();
    const [near, far] = connectedPair();
    near.setOption("SO_SNDBUF", 4096);
    const chat = lineChat(near, map);
    const piece = pattern(30_000);
    let asked = 0;
    let atOnce = 0;
    const iterator: AsyncIterator<Uint8Array> = {
      async next() {
        expect(++atOnce).toBe(1);
        await Promise.resolve();
        atOnce -= 1;
        asked += 1;
        return asked <= 200 ? { value: piece, done: false } : { value: undefined, done: true };
      },
    };
    chat.pushWithProducer({ [Symbol.asyncIterator]: () => iterator });
    for (let before = -1; before !== asked; await turns(mode, map, 20)) before = asked;
    expect(asked).toBeLessThan(200);
    expect(chat.outBufferLength).toBeLessThan(chat.acOutBufferSize + 30_000);
    chat.closeWhenDone();
    const reader = new Recorder(far, map);
    await run(mode, map);
    expect(reader.received.reduce((sum, each) => sum + each.length, 0)).toBe(6_000_000);
  });

  test("is returned when the channel closes, and what it gives afterwards goes nowhere", async () => {
    const map = newMap();
    const [near] = connectedPair();
    const chat = lineChat(near, map);
    const gate = deferred<IteratorResult<string>>();
    const returned = deferred<void>();
    const iterator = {
      next: () => gate.promise,
      async return() {
        returned.resolve();
        return { value: undefined, done: true as const };
      },
    };
    chat.pushWithProducer({ [Symbol.asyncIterator]: () => iterator });
    await turns(mode, map, 2);
    chat.close();
    await returned.promise;
    gate.resolve({ value: "late", done: false });
    await run(mode, map);
    expect([chat.told, map.stats().timersNow]).toEqual([[], 0]);
  });

  test("whose return rejects is logged", async () => {
    const map = newMap();
    const [near] = connectedPair();
    const chat = lineChat(near, map);
    const rejected = Promise.reject<IteratorResult<string>>(new Error("stuck"));
    const iterator = { next: () => new Promise<IteratorResult<string>>(() => undefined), return: () => rejected };
    chat.pushWithProducer({ [Symbol.asyncIterator]: () => iterator });
    chat.close();
    await expect(rejected).rejects.toThrow("stuck");
    await new Promise((resolve) => setImmediate(resolve));
    expect(chat.logged).toEqual([expect.stringContaining("gave up a producer, which threw (Error: stuck")]);
  });

  test("a stream that was never asked is destroyed when the channel closes", async () => {
    const map = newMap();
    const [near] = connectedPair();
    const chat = lineChat(near, map);
    const streams = [new Readable({ read: () => undefined }), new Readable({ read: () => undefined })];
    for (const stream of streams) chat.pushWithProducer(stream);
    await turns(mode, map, 2);
    chat.close();
    expect(streams.map(({ destroyed }) => destroyed)).toEqual([true, true]);
    await run(mode, map);
  });
});
