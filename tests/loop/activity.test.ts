/** What has run in a thread that waits inside of callbacks, and asks before each wait whether to sample first. */

import { describe, expect, onTestFinished, test } from "vitest";
import { Activity } from "../../host/loop/activity.js";

function pending(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((settle) => (resolve = settle));
  return { promise, resolve };
}

/** In callbacks that follow each other with nothing but promise reactions between them. */
async function inCallbacks<T>(...callbacks: readonly (() => T)[]): Promise<T[]> {
  const results: T[] = [];
  const { promise, resolve } = pending();
  for (const callback of callbacks) setImmediate(() => void results.push(callback()));
  setImmediate(resolve);
  await promise;
  return results;
}

function observing(callback: () => void): Activity {
  const activity = new Activity(callback);
  onTestFinished(() => activity.stop());
  activity.observe();
  return activity;
}

describe("Activity, asked by a thread that waits itself", () => {
  test("calls back in the first callback, and is quiet in the next", async () => {
    let calls = 0;
    const activity = observing(() => (calls += 1));
    const ask = (isFirst: boolean) => () => [activity.isQuiet(isFirst), calls];
    expect(await inCallbacks(ask(true), ask(false), ask(false))).toEqual([
      [false, 1],
      [true, 1],
      [true, 1],
    ]);
    expect(await inCallbacks(ask(true), ask(false))).toEqual([
      [false, 2],
      [true, 2],
    ]);
  });

  test("is not quiet after a promise reaction, a microtask, a tick or another callback", async () => {
    let calls = 0;
    const activity = observing(() => (calls += 1));
    const ask = (): boolean => activity.isQuiet(false);
    const first = (): boolean => activity.isQuiet(true);
    for (const start of [
      () => void Promise.resolve().then(() => undefined),
      () => queueMicrotask(() => undefined),
      () => process.nextTick(() => undefined),
      () => void (async () => await undefined)(),
    ]) {
      const starting = (): boolean => {
        start();
        return ask();
      };
      expect(await inCallbacks(first, ask, starting, ask, ask)).toEqual([false, true, true, false, true]);
    }
    expect(await inCallbacks(first, ask, () => true, ask, ask)).toEqual([false, true, true, false, true]);
  });

  test("is not quiet in the callback after a reset", async () => {
    const activity = observing(() => undefined);
    const ask = (): boolean => activity.isQuiet(false);
    const resetting = (): boolean => {
      const isQuiet = ask();
      activity.reset();
      return isQuiet;
    };
    expect(await inCallbacks(() => activity.isQuiet(true), resetting, ask, ask)).toEqual([false, true, false, true]);
  });

  test("a callback that causes activity each time is not called again and again, and what it asks for is not lost", async () => {
    let calls = 0;
    const activity = observing(() => {
      calls += 1;
      if (calls < 100) queueMicrotask(() => undefined);
    });
    const results = await inCallbacks(...Array.from({ length: 300 }, () => () => activity.isQuiet(false)));
    expect(results).toContain(true);
    expect(calls).toBeLessThan(100);
    const before = calls;
    while (calls < 100) await inCallbacks(() => activity.isQuiet(true));
    expect(calls).toBeGreaterThan(before);
  });

  test("stops", async () => {
    let calls = 0;
    const activity = observing(() => (calls += 1));
    await inCallbacks(() => activity.isQuiet(true));
    activity.stop();
    await new Promise((resolve) => setTimeout(resolve, 0));
    expect(calls).toBe(1);
  });
});
