/** Timers of a map: when they fire, in which order, and what they may do. */

import { describe, expect, test } from "vitest";
import { type ChannelMap, createNodeBackend, type Timer, type TimerHandler } from "wasyncore";
import { collectGarbage } from "../support/garbage.js";
import { MODES, newMap, run, start, turns } from "../support/runs.js";

/** A map whose clock stands still until a test moves it. */
function clockedMap(): { map: ChannelMap; advance: (ms: number) => void } {
  const backend = createNodeBackend();
  let nowNs = 1_000_000_000;
  const clock = { ...backend.clock, monotonicNs: () => nowNs };
  return { map: newMap({ ...backend, clock }), advance: (ms) => (nowNs += ms * 1e6) };
}

describe.each(MODES)("$name", (mode) => {
  test("callLater fires once, not before its time", async () => {
    const { map, advance } = clockedMap();
    const fired: number[] = [];
    const timer = map.callLater(10, () => fired.push(map.now()));
    expect([timer.active, map.stats().timersNow]).toEqual([true, 1]);
    advance(9);
    await turns(mode, map, 1);
    expect(fired).toEqual([]);
    advance(1);
    await turns(mode, map, 3);
    expect(fired).toEqual([1010]);
    expect([timer.active, timer.cancel(), map.stats().timersNow]).toEqual([false, false, 0]);
  });

  test("callAt fires at a time of now(), at once when it is past", async () => {
    const { map, advance } = clockedMap();
    const fired: string[] = [];
    map.callAt(map.now() + 5, () => fired.push("later"));
    map.callAt(0, () => fired.push("past"));
    await turns(mode, map, 1);
    expect(fired).toEqual(["past"]);
    advance(5);
    await turns(mode, map, 1);
    expect(fired).toEqual(["past", "later"]);
  });

  test("callEvery fires each period, and leaves out what was missed", async () => {
    const { map, advance } = clockedMap();
    const fired: number[] = [];
    const timer = map.callEvery(10, () => fired.push(map.now()));
    for (const step of [10, 10, 35, 5]) {
      advance(step);
      await turns(mode, map, 2);
    }
    expect(fired).toEqual([1010, 1020, 1055, 1060]);
    expect(timer.active).toBe(true);
    expect([timer.cancel(), timer.cancel(), timer.active]).toEqual([true, false, false]);
    advance(100);
    await turns(mode, map, 2);
    expect(fired).toHaveLength(4);
  });

  test("timers fire by deadline, those with the same by age", async () => {
    const { map, advance } = clockedMap();
    const fired: string[] = [];
    for (const [name, delayMs] of [
      ["d", 3],
      ["b", 2],
      ["a", 1],
      ["c", 2],
      ["e", 3],
    ] as const) {
      map.callLater(delayMs, () => fired.push(name));
    }
    advance(3);
    await turns(mode, map, 1);
    expect(fired).toEqual(["a", "b", "c", "d", "e"]);
  });

  test("an object's handleTimer is called on the object, as a function would be", async () => {
    const { map, advance } = clockedMap();
    class Bell implements TimerHandler {
      readonly rung: number[] = [];
      handleTimer(): void {
        this.rung.push(map.now());
      }
    }
    const [later, at, every] = [new Bell(), new Bell(), new Bell()];
    map.callLater(10, later);
    map.callAt(1005, at);
    const timer = map.callEvery(4, every);
    for (const step of [4, 1, 5]) {
      advance(step);
      await turns(mode, map, 2);
    }
    expect([later.rung, at.rung, every.rung]).toEqual([[1010], [1005], [1004, 1010]]);
    expect([timer.cancel(), map.stats().timersNow]).toEqual([true, 0]);
  });

  test("what handleTimer throws leaves the loop", async () => {
    const { map } = clockedMap();
    const boom = new Error("boom");
    map.callLater(0, {
      handleTimer() {
        throw boom;
      },
    });
    await expect(start(mode, { map, timeoutMs: 0 })).rejects.toBe(boom);
  });

  test("a timer started inside a timer fires in a later turn, even at once", async () => {
    const { map } = clockedMap();
    const fired: string[] = [];
    map.callLater(0, () => {
      fired.push("first");
      map.callLater(0, () => fired.push("second"));
    });
    await turns(mode, map, 1);
    expect(fired).toEqual(["first"]);
    await turns(mode, map, 1);
    expect(fired).toEqual(["first", "second"]);
  });

  test("a timer cancelled inside a timer of the same turn does not fire", async () => {
    const { map } = clockedMap();
    const fired: string[] = [];
    map.callLater(0, () => {
      fired.push("first");
      expect(second.cancel()).toBe(true);
    });
    const second = map.callLater(0, () => fired.push("second"));
    map.callLater(0, () => fired.push("third"));
    await turns(mode, map, 2);
    expect(fired).toEqual(["first", "third"]);
  });

  test("a timer that has ended does not stop the one that has its slot since", async () => {
    const { map, advance } = clockedMap();
    const fired: string[] = [];
    const ended = [map.callLater(0, () => fired.push("first"))];
    await turns(mode, map, 1);
    // One timer at a time: all of them have the same slot.
    for (let i = 0; i < 3; i++) {
      const cancelled = map.callEvery(5, () => fired.push("cancelled"));
      expect(cancelled.cancel()).toBe(true);
      ended.push(cancelled);
    }
    const last = map.callLater(5, () => fired.push("last"));
    expect(ended.map((timer) => timer.active || timer.cancel())).toEqual([false, false, false, false]);
    expect(last.active).toBe(true);
    advance(5);
    await turns(mode, map, 1);
    expect(fired).toEqual(["first", "last"]);
  });

  test("a repeating timer may cancel itself", async () => {
    const map = newMap();
    let fired = 0;
    const timer: Timer = map.callEvery(1, () => {
      fired += 1;
      if (fired === 3) timer.cancel();
    });
    await run(mode, map);
    expect(fired).toBe(3);
  });

  test("what a timer throws leaves the loop; the others fire when it runs again", async () => {
    const { map } = clockedMap();
    const boom = new Error("boom");
    const fired: string[] = [];
    map.callLater(0, () => fired.push("before"));
    map.callLater(0, () => {
      throw boom;
    });
    map.callLater(0, () => fired.push("after"));
    await expect(start(mode, { map, timeoutMs: 0 })).rejects.toBe(boom);
    expect(fired).toEqual(["before"]);
    await start(mode, { map });
    expect(fired).toEqual(["before", "after"]);
  });

  test("a repeating timer goes on after it has thrown", async () => {
    const { map, advance } = clockedMap();
    let fired = 0;
    const timer = map.callEvery(5, () => {
      fired += 1;
      throw new Error(`number ${fired}`);
    });
    for (const number of [1, 2]) {
      advance(5);
      await expect(turns(mode, map, 1)).rejects.toThrow(`number ${number}`);
    }
    expect(timer.active).toBe(true);
  });

  test("the next deadline bounds the wait, however long timeoutMs is", async () => {
    const map = newMap();
    let fired = false;
    map.callLater(20, () => (fired = true));
    await start(mode, { map, timeoutMs: Infinity });
    expect(fired).toBe(true);
  });

  test("the loop ends with the last timer", async () => {
    const map = newMap();
    const timer = map.callLater(1e9, () => undefined);
    map.callLater(1, () => timer.cancel());
    await run(mode, map);
    expect(map.stats()).toMatchObject({ timersNow: 0, timers: 1 });
  });

  test("what a timer calls is released when it has fired for the last time or is cancelled, though the timer is kept", async () => {
    const { map, advance } = clockedMap();
    /** Starts a timer whose callback nothing else refers to. */
    function begin(how: (callback: () => void) => Timer): { timer: Timer; callback: WeakRef<object> } {
      const callback = (): void => undefined;
      return { timer: how(callback), callback: new WeakRef(callback) };
    }
    const begun = {
      fired: begin((callback) => map.callLater(1, callback)),
      cancelled: begin((callback) => map.callLater(1000, callback)),
      stopped: begin((callback) => map.callEvery(1, callback)),
      waiting: begin((callback) => map.callLater(1000, callback)),
      repeating: begin((callback) => map.callEvery(1, callback)),
    };
    advance(1);
    await turns(mode, map, 1);
    begun.cancelled.timer.cancel();
    begun.stopped.timer.cancel();
    await collectGarbage();
    const kept = Object.entries(begun).filter(([, { callback }]) => callback.deref() !== undefined);
    expect(kept.map(([name]) => name)).toEqual(["waiting", "repeating"]);
    expect(kept.map(([, { timer }]) => timer.active)).toEqual([true, true]);
  });

  test("a timer that the program does not keep fires; nothing else refers to it", async () => {
    const { map, advance } = clockedMap();
    let fired = 0;
    const timer = new WeakRef(map.callLater(1, () => (fired += 1)));
    await collectGarbage();
    expect(timer.deref()).toBeUndefined();
    advance(1);
    await turns(mode, map, 1);
    expect(fired).toBe(1);
  });
});

test("a timer can be disposed of", () => {
  const map = newMap();
  const timer = map.callLater(1000, () => undefined);
  timer[Symbol.dispose]();
  expect(timer.active).toBe(false);
});

test("cancelTimers stops them all", () => {
  const map = newMap();
  const timers = [map.callLater(1, () => undefined), map.callEvery(1, () => undefined)];
  map.cancelTimers();
  expect([timers.map(({ active }) => active), map.stats().timersNow]).toEqual([[false, false], 0]);
});
