/** `map.wake()`, and wakers: loops that are woken from outside of a turn, and from other threads. */

import { once } from "node:events";
import { fstatSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  type ChannelMap,
  closeAll,
  createNodeBackend,
  loop,
  loopSync,
  wake,
  type Backend,
  type WakeHandle,
} from "wasyncore";
import { requireBuild, ROOT } from "../support/processes.js";
import { Recorder } from "../support/handlers.js";
import { MODES, newMap, start } from "../support/runs.js";
import { bytes, connectedPair } from "../support/sockets.js";

/** Threads that wake, each when it has read what `source` says of `handle`, `words` and `index`. */
async function startThreads(count: number, handle: WakeHandle, words: Int32Array, source: string): Promise<Worker[]> {
  requireBuild("dist/index.js");
  const workers = Array.from({ length: count }, (_, index) => {
    const worker = new Worker(
      `const { parentPort, workerData } = require("node:worker_threads");
       const { handle, words, index } = workerData;
       import(${JSON.stringify(`file://${ROOT}dist/index.js`)}).then(({ wake }) => {
         parentPort.postMessage("ready");
         // The thread of the test may block: it says so itself when all threads are there.
         Atomics.wait(words, 0, 0);
         ${source}
       });`,
      { eval: true, workerData: { handle, words, index } },
    );
    onTestFinished(async () => void (await worker.terminate()));
    return worker;
  });
  await Promise.all(workers.map((worker) => once(worker, "message")));
  return workers;
}

function go(words: Int32Array): void {
  Atomics.store(words, 0, 1);
  Atomics.notify(words, 0);
}

function shared(length: number): Int32Array {
  return new Int32Array(new SharedArrayBuffer(4 * length));
}

describe("map.wake()", () => {
  test("from a callback of Node has the loop take a turn, however long it may wait", async () => {
    const map = newMap();
    const recorder = new Recorder(connectedPair()[0], map);
    setTimeout(() => map.wake(), 1);
    await loop({ map, count: 1, timeoutMs: Infinity });
    expect([map.stats().turns, recorder.fd]).toEqual([1, recorder.fd]);
  });

  test.each(MODES)("inside a callback has the next turn not wait: $name", async (mode) => {
    const map = newMap();
    const [near, far] = connectedPair();
    const recorder = new Recorder(near, map);
    recorder.handleRead = () => {
      Recorder.prototype.handleRead.call(recorder);
      map.wake();
    };
    far.send(bytes("x"));
    // Only the first turn has something to read.
    await start(mode, { map, count: 2, timeoutMs: Infinity });
    expect([map.stats().turns, recorder.text]).toEqual([2, "x"]);
  });

  test.each(MODES)("while interest is sampled has the next turn not wait: $name", async (mode) => {
    const map = newMap();
    class Waking extends Recorder {
      override readable(): boolean {
        map.wake();
        return true;
      }
    }
    new Waking(connectedPair()[0], map);
    await start(mode, { map, count: 2, timeoutMs: Infinity });
    expect(map.stats().turns).toBe(2);
  });

  test("without a loop, and on a map without channels, has no effect", async () => {
    const map = newMap();
    map.wake();
    map.callLater(1, () => undefined);
    map.wake();
    loopSync({ map });
    expect(map.stats().timers).toBe(1);
  });
});

describe.each([
  ["epoll or poll, by default", undefined],
  ["poll", createNodeBackend({ poller: "poll" })],
] satisfies [string, Backend | undefined][])("a waker over %s", (_, backend) => {
  test.each(MODES)("thousands of wakes of many threads, and none is lost: $name", async (mode) => {
    const [threads, wakes] = [2, 5000];
    const map = newMap(backend);
    const words = shared(1 + threads);
    let calls = 0;
    const waker = map.waker(() => {
      calls += 1;
      // What was counted before the last wake must be seen by the last callback.
      const sum = words.subarray(1).reduce((total, _, index) => total + Atomics.load(words, 1 + index), 0);
      if (sum === threads * wakes) waker.close();
    });
    await startThreads(
      threads,
      waker.handle,
      words,
      `for (let i = 0; i < ${wakes}; i++) { Atomics.add(words, 1 + index, 1); if (!wake(handle)) throw new Error("closed"); }`,
    );
    go(words);
    await start(mode, { map, timeoutMs: Infinity });
    expect([map.size, calls > 0, calls <= threads * wakes]).toEqual([0, true, true]);
  });

  test.each(MODES)("each wake that is waited for is answered: $name", async (mode) => {
    const rounds = 1000;
    const map = newMap(backend);
    const words = shared(2);
    let calls = 0;
    const waker = map.waker(() => {
      calls += 1;
      Atomics.store(words, 1, calls);
      Atomics.notify(words, 1);
      if (calls === rounds) waker.close();
    });
    await startThreads(
      1,
      waker.handle,
      words,
      // The notification of the callback before may come only now, so the count decides.
      `for (let i = 0; i < ${rounds}; i++) {
         wake(handle);
         while (Atomics.load(words, 1) === i) Atomics.wait(words, 1, i);
       }`,
    );
    go(words);
    await start(mode, { map, timeoutMs: Infinity });
    expect(calls).toBe(rounds);
  });

  test.each(MODES)("threads that are ended in the middle of wakes stop none of the others: $name", async (mode) => {
    const map = newMap(backend);
    const words = shared(1);
    let calls = 0;
    const waker = map.waker(() => void (calls += 1));
    for (let round = 0; round < 2; round++) {
      const workers = await startThreads(2, waker.handle, words, "while (true) wake(handle);");
      go(words);
      await start(mode, { map, count: 20, timeoutMs: Infinity });
      await Promise.all(workers.map((worker) => worker.terminate()));
      // What the threads left.
      await start(mode, { map, count: 2, timeoutMs: 0 });
      const before = calls;
      expect(waker.wake()).toBe(true);
      await start(mode, { map, count: 1, timeoutMs: Infinity });
      expect(calls).toBe(before + 1);
    }
    waker.close();
  });
});

describe("a waker", () => {
  test("that is closed while threads wake it: their wakes are refused, and never reach another descriptor", async () => {
    const map = newMap();
    for (let round = 0; round < 4; round++) {
      const words = shared(4);
      const waker = map.waker();
      const workers = await startThreads(2, waker.handle, words, "while (wake(handle)); Atomics.add(words, 1, 1);");
      const ends = workers.map((worker) => once(worker, "exit"));
      go(words);
      loopSync({ map, count: 3, timeoutMs: Infinity });
      waker.close();
      // Whoever is given the number now receives nothing that was not sent to it.
      const [near, far] = connectedPair();
      await Promise.all(ends);
      expect([Atomics.load(words, 1), waker.wake(), waker.fd]).toEqual([2, false, -1]);
      for (const socket of [near, far]) expect(() => socket.recv(10)).toThrow("EAGAIN");
    }
  });

  test("closes both ends of its pipe, on close, with closeAll and with the map", () => {
    const ways: ((map: ChannelMap, waker: { close(): void }) => void)[] = [
      (_, waker) => waker.close(),
      (map) => closeAll({ map }),
      (map) => map[Symbol.dispose](),
    ];
    for (const way of ways) {
      const map = newMap();
      const waker = map.waker();
      const ends = [waker.fd, waker.handle.fd];
      way(map, waker);
      for (const fd of ends) expect(() => fstatSync(fd)).toThrow("EBADF");
      expect([waker.fd, waker.wake(), wake(waker.handle), map.size]).toEqual([-1, false, false, 0]);
      waker.close();
    }
  });

  test.each(MODES)("keeps a loop going, unless unref was called: $name", async (mode) => {
    const map = newMap();
    const waker = map.waker().unref();
    await start(mode, { map, timeoutMs: Infinity });
    expect([map.stats().turns, waker.hasRef()]).toEqual([0, false]);
    waker.ref();
    map.callLater(1, () => waker.unref());
    await start(mode, { map, timeoutMs: Infinity });
    expect([map.stats().timers, map.size]).toEqual([1, 1]);
    waker.close();
    map.callLater(1, () => undefined);
    await start(mode, { map, timeoutMs: Infinity });
    expect(map.size).toBe(0);
  });

  test("that is unreferenced from outside of a turn lets the loop end", async () => {
    const map = newMap();
    const waker = map.waker();
    setTimeout(() => waker.unref(), 1);
    await loop({ map, timeoutMs: Infinity });
    expect(waker.fd).toBeGreaterThanOrEqual(0);
  });

  test.each(MODES)("wakes before the loop, and those of one turn, are one callback: $name", async (mode) => {
    const map = newMap();
    let calls = 0;
    const waker = map.waker(() => void (calls += 1));
    for (let i = 0; i < 100_000; i++) waker.wake();
    await start(mode, { map, count: 1, timeoutMs: 0 });
    await start(mode, { map, count: 1, timeoutMs: 0 });
    expect(calls).toBe(1);
  });

  test.each(MODES)("what its callback throws leaves the loop: $name", async (mode) => {
    const map = newMap();
    const boom = Object.assign(new Error("boom"), { code: "ECONNRESET" });
    const waker = map.waker(() => {
      throw boom;
    });
    waker.wake();
    await expect(start(mode, { map, timeoutMs: Infinity })).rejects.toBe(boom);
    expect([waker.fd >= 0, waker.wake()]).toEqual([true, true]);
  });

  test("no callback comes after close", async () => {
    const map = newMap();
    let calls = 0;
    const waker = map.waker(() => void (calls += 1));
    const [near, far] = connectedPair();
    const recorder = new Recorder(near, map);
    recorder.handleRead = () => waker.close();
    far.send(bytes("x"));
    waker.wake();
    loopSync({ map, count: 1, timeoutMs: 0 });
    expect(calls).toBe(0);
  });

  test("is a channel of its map", () => {
    const map = newMap();
    const waker = map.waker();
    expect([map.size, map.get(waker.fd)]).toEqual([1, waker]);
    expect(map.snapshot()[0]).toMatchObject({ fd: waker.fd, state: "open", interest: { read: true, write: false } });
  });

  test("wake and waker refuse what they cannot use", () => {
    const map = newMap();
    const state = new SharedArrayBuffer(12);
    for (const handle of [
      undefined,
      null,
      3,
      {},
      { fd: -1, state },
      { fd: 1, state: new ArrayBuffer(12) },
      { fd: 1, state: new SharedArrayBuffer(8) },
    ]) {
      expect(() => wake(handle as unknown as WakeHandle)).toThrow(
        expect.objectContaining({ code: expect.stringMatching(/^ERR_/) }),
      );
    }
    expect(() => map.waker(3 as unknown as () => void)).toThrow('"callback" must be a function, got number');
  });
});
