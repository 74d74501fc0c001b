/** Holds the engine's timers: when they fire, in what order, and what a callback may do to them. */

import { describe, expect, test } from "vitest";
import { EngineHarness, Verdict, readable } from "./harness.js";

describe("firing", () => {
  test("by deadline, ties by age, whatever the order of starting", () => {
    const harness = new EngineHarness();
    for (const [name, delay] of [
      ["c", 5],
      ["a", 1],
      ["d", 5],
      ["b", 1],
      ["late", 6],
    ] as const)
      harness.startTimer(name, delay);
    harness.nowMs += 5;
    expect(harness.turn()).toEqual(["timer a", "timer b", "timer c", "timer d"]);
    harness.nowMs += 1;
    expect(harness.turn()).toEqual(["timer late"]);
    expect(harness.engine.timerCount()).toBe(0);
  });

  test("not before the deadline", () => {
    const harness = new EngineHarness();
    harness.startTimer("t", 10);
    harness.nowMs += 9;
    expect(harness.turn()).toEqual([]);
    harness.nowMs += 1;
    expect(harness.turn()).toEqual(["timer t"]);
    expect(harness.turn()).toEqual([]);
  });

  test("one that a timer starts waits for the next turn, however early its deadline", () => {
    const harness = new EngineHarness();
    harness.startTimer("a", 0);
    harness.startTimer("z", 0);
    harness.when("timer a", () => harness.startTimer("b", -100));
    expect(harness.turn()).toEqual(["timer a", "timer z"]);
    expect(harness.turn()).toEqual(["timer b"]);
    expect(harness.waitMs).toBe(0);
  });

  test("one that a channel's callback starts, and that is due, fires in the same turn", () => {
    const harness = new EngineHarness();
    const a = harness.add("a");
    harness.when("read a", () => harness.startTimer("t", 0));
    expect(harness.turn([readable(a)])).toEqual(["read a", "timer t"]);
  });

  test.each([8, 27])("also in a turn whose poll ends with errno %i", (errno) => {
    const harness = new EngineHarness();
    harness.startTimer("t", 0);
    expect(harness.turn(errno)).toEqual(["timer t"]);
  });
});

describe("a deadline that no clock reaches", () => {
  test.each([-1e13, -1e300, -Infinity, Number.NaN])(
    "%d ms is past: it fires in the next turn, without a wait",
    (deadlineMs) => {
      const harness = new EngineHarness();
      harness.startTimerAt("t", deadlineMs);
      expect(harness.turn()).toEqual(["timer t"]);
      expect(harness.waitMs).toBe(0);
    },
  );

  test("of two that are long past the earlier fires first", () => {
    const harness = new EngineHarness();
    harness.startTimerAt("b", -5);
    harness.startTimerAt("a", -1e12);
    expect(harness.turn()).toEqual(["timer a", "timer b"]);
  });

  test.each([1e13, 1e300, Infinity])("%d ms does not fire, and the wait is the longest there is", (deadlineMs) => {
    const harness = new EngineHarness();
    harness.startTimerAt("t", deadlineMs);
    expect(harness.turn()).toEqual([]);
    expect(harness.waitMs).toBe(0x7fffffff);
  });

  test.each([1, 1e300, Infinity])(
    "a repeating one that is long past fires once, and then in its period of %d ms",
    (periodMs) => {
      const harness = new EngineHarness();
      harness.startTimerAt("t", -Infinity, periodMs);
      expect(harness.turn()).toEqual(["timer t"]);
      expect(harness.turn()).toEqual([]);
      expect(harness.waitMs).toBe(Math.min(periodMs, 0x7fffffff));
    },
  );
});

describe("repeating", () => {
  test("fires once a period", () => {
    const harness = new EngineHarness();
    harness.startTimer("t", 10, 10);
    for (let period = 0; period < 3; period++) {
      harness.nowMs += 9;
      expect(harness.turn()).toEqual([]);
      harness.nowMs += 1;
      expect(harness.turn()).toEqual(["timer t"]);
    }
  });

  test("times that were missed are left out, and the rhythm stays", () => {
    const harness = new EngineHarness();
    harness.startTimer("t", 10, 10);
    harness.nowMs += 35;
    expect(harness.turn()).toEqual(["timer t"]);
    expect(harness.turn()).toEqual([]);
    expect(harness.waitMs).toBe(5);
    harness.nowMs += 5;
    expect(harness.turn()).toEqual(["timer t"]);
  });

  test("ends when its own callback cancels it", () => {
    const harness = new EngineHarness();
    const timer = harness.startTimer("t", 0, 10);
    harness.when("timer t", () => harness.cancelTimer(timer));
    expect(harness.turn()).toEqual(["timer t"]);
    expect(harness.engine.timerCount()).toBe(0);
    harness.nowMs += 100;
    expect(harness.turn()).toEqual([]);
  });

  test("a period too short to count in nanoseconds still ends the turn", () => {
    const harness = new EngineHarness();
    harness.startTimer("t", 0, 1e-9);
    expect(harness.turn()).toEqual(["timer t"]);
  });
});

describe("cancelling", () => {
  test("stops a timer, once", () => {
    const harness = new EngineHarness();
    const timer = harness.startTimer("t", 0);
    expect([harness.cancelTimer(timer), harness.cancelTimer(timer)]).toEqual([true, false]);
    expect(harness.turn()).toEqual([]);
    expect(harness.engine.timerCount()).toBe(0);
  });

  test("one that is due with the one that cancels it does not fire", () => {
    const harness = new EngineHarness();
    harness.startTimer("a", 0);
    const b = harness.startTimer("b", 0);
    const c = harness.startTimer("c", 0, 10);
    harness.startTimer("d", 0);
    harness.when("timer a", () => {
      expect(harness.cancelTimer(b)).toBe(true);
      expect(harness.cancelTimer(c)).toBe(true);
      harness.startTimer("heir of b's slot", 0);
    });
    expect(harness.turn()).toEqual(["timer a", "timer d"]);
    expect(harness.turn()).toEqual(["timer heir of b's slot"]);
  });

  test("one that has fired is not there to cancel, nor is its successor in the slot", () => {
    const harness = new EngineHarness();
    const fired = harness.startTimer("fired", 0);
    harness.turn();
    const successor = harness.startTimer("successor", 0);
    expect(successor.slot).toBe(fired.slot);
    expect(harness.cancelTimer(fired)).toBe(false);
    expect(harness.turn()).toEqual(["timer successor"]);
  });

  test("one in the middle of the heap leaves the rest in order: what takes its place may belong above it", () => {
    const harness = new EngineHarness();
    // Level by level; the last, 5, takes the place of 11, below 10.
    const delays = [1, 10, 2, 11, 12, 3, 4, 20, 21, 22, 23, 24, 25, 26, 5];
    const timers = new Map(delays.map((delay) => [delay, harness.startTimer(`${delay}`, delay)]));
    harness.cancelTimer(timers.get(11) ?? { name: "", slot: -1, generation: 0 });
    const fired = Array.from({ length: 26 }, () => {
      harness.nowMs += 1;
      return harness.turn().join();
    });
    const left = new Set(delays.filter((delay) => delay !== 11));
    expect(fired).toEqual(Array.from({ length: 26 }, (_, index) => (left.has(index + 1) ? `timer ${index + 1}` : "")));
  });

  test("a name that never was is not there to cancel", () => {
    const harness = new EngineHarness();
    expect(harness.cancelTimer({ name: "", slot: 1000, generation: 1 })).toBe(false);
    expect(harness.cancelTimer({ name: "", slot: -1, generation: 1 })).toBe(false);
  });
});

describe("STOP", () => {
  test("in a timer returns the due ones, which fire first in the next turn with no wait before it", () => {
    const harness = new EngineHarness();
    for (const name of ["a", "b", "c"]) harness.startTimer(name, 0);
    harness.answer("timer a", Verdict.STOP);
    harness.when("timer a", () => harness.startTimer("d", -1));
    expect(harness.turn()).toEqual(["timer a"]);
    expect(harness.engine.timerCount()).toBe(3);
    expect(harness.turn()).toEqual(["timer d", "timer b", "timer c"]);
    expect(harness.waitMs).toBe(0);
  });

  test("returns none that the same callback has cancelled", () => {
    const harness = new EngineHarness();
    harness.startTimer("a", 0);
    const b = harness.startTimer("b", 0);
    harness.startTimer("c", 0);
    harness.answer("timer a", Verdict.STOP);
    harness.when("timer a", () => harness.cancelTimer(b));
    harness.turn();
    const heir = harness.startTimer("heir of b's slot", 100);
    expect(heir.slot).toBe(b.slot);
    expect(harness.turn()).toEqual(["timer c"]);
    expect(harness.engine.timerCount()).toBe(1);
  });

  test("in a channel's callback leaves the timers to the next turn", () => {
    const harness = new EngineHarness();
    const a = harness.add("a");
    harness.startTimer("t", 0);
    harness.answer("read a", Verdict.STOP);
    expect(harness.turn([readable(a)])).toEqual(["read a"]);
    expect(harness.turn()).toEqual(["timer t"]);
  });

  test("holds for its own turn only, also where the next poll fails", () => {
    const harness = new EngineHarness();
    harness.startTimer("a", 0);
    harness.startTimer("b", 0);
    harness.answer("timer a", Verdict.STOP);
    expect(harness.turn()).toEqual(["timer a"]);
    expect(harness.turn(27)).toEqual(["timer b"]);
  });
});

describe("the wait", () => {
  test("is bounded by the first deadline", () => {
    const harness = new EngineHarness();
    harness.startTimer("a", 700);
    const first = harness.startTimer("b", 300);
    harness.turn();
    expect([harness.waitMs, harness.poll.timeoutNs]).toEqual([300, 300_000_000n]);
    harness.cancelTimer(first);
    harness.turn();
    expect(harness.waitMs).toBe(700);
  });

  test("is bounded by the caller", () => {
    const harness = new EngineHarness();
    harness.startTimer("a", 700);
    harness.turn([], { timeoutMs: 20 });
    expect(harness.waitMs).toBe(20);
  });

  test("is none where a deadline has passed", () => {
    const harness = new EngineHarness();
    harness.startTimer("a", 0);
    harness.nowMs += 50;
    harness.turn();
    expect(harness.waitMs).toBe(0);
  });

  test("keeps fractions of a millisecond", () => {
    const harness = new EngineHarness();
    harness.startTimer("a", 0.25);
    harness.turn();
    expect(harness.poll.timeoutNs).toBe(250_000n);
  });
});
