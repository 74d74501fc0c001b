/** Holds the engine's timers: when they fire, in what order, and what a callback may do to them. */

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { EngineHarness, Verdict, readable, type Named } from "./harness.js";

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

interface Modelled {
  readonly timer: Named;
  readonly periodMs: number;
  deadlineMs: number;
  age: number;
}

test("any sequence of starts, cancels and turns fires what a sorted list would, and waits as long", () => {
  const delayMs = fc.oneof(fc.integer({ min: -5, max: 30 }), fc.integer({ min: 0, max: 500 }));
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.record({ start: delayMs, periodMs: fc.constantFrom(0, 0, 0, 1, 4, 9) }) },
    { weight: 2, arbitrary: fc.record({ cancel: fc.nat(100) }) },
    { weight: 2, arbitrary: fc.record({ turnAfterMs: fc.nat(12) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
      const harness = new EngineHarness();
      const list: Modelled[] = [];
      const told: unknown[] = [];
      const expected: unknown[] = [];
      let ages = 0;
      steps.forEach((each, index) => {
        if ("start" in each) {
          const timer = harness.startTimer(`t${index}`, each.start, each.periodMs);
          list.push({ timer, periodMs: each.periodMs, deadlineMs: harness.nowMs + each.start, age: ages++ });
        } else if ("cancel" in each) {
          const [cancelled] = list.splice(each.cancel % (list.length + 1), 1);
          told.push(cancelled !== undefined && harness.cancelTimer(cancelled.timer));
          expected.push(cancelled !== undefined);
        } else {
          harness.nowMs += each.turnAfterMs;
          const { nowMs } = harness;
          list.sort((a, b) => a.deadlineMs - b.deadlineMs || a.age - b.age);
          const waitMs = Math.min(1000, Math.max(0, (list[0]?.deadlineMs ?? Infinity) - nowMs));
          const due = list.filter(({ deadlineMs }) => deadlineMs <= nowMs);
          told.push(harness.turn([], { timeoutMs: 1000 }), harness.waitMs);
          expected.push(
            due.map(({ timer }) => `timer ${timer.name}`),
            waitMs,
          );
          for (const fired of due) {
            if (fired.periodMs === 0) list.splice(list.indexOf(fired), 1);
            else while (fired.deadlineMs <= nowMs) fired.deadlineMs += fired.periodMs;
            fired.age = ages++;
          }
        }
        told.push(harness.engine.timerCount());
        expected.push(list.length);
      });
      expect(told).toEqual(expected);
    }),
    { numRuns: 300 },
  );
});

describe("many timers", () => {
  /** What they do in bulk: so many are started, with one delay or several; cancelled, from either end; or a turn is taken. */
  const bulk = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        start: fc.integer({ min: 1, max: 120 }),
        delaysMs: fc.constantFrom([20], [5], [20, 3], [1, 9, 4], [50, 40, 30, 20, 10]),
        periodMs: fc.constantFrom(0, 0, 0, 7),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({ cancel: fc.integer({ min: 1, max: 150 }), end: fc.constantFrom("old", "new") }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        turnAfterMs: fc.nat(15),
        stopAt: fc.nat(40),
        inside: fc.constantFrom("start", "cancel", ""),
      }),
    },
  );

  test("in any sequence of starts, cancels, turns and stops they fire as a sorted list would", () => {
    fc.assert(
      fc.property(fc.array(bulk, { minLength: 5, maxLength: 60 }), (steps) => {
        const harness = new EngineHarness();
        const list: Modelled[] = [];
        let ages = 0;
        let names = 0;
        const start = (delayMs: number, periodMs: number): void => {
          const timer = harness.startTimer(`t${names++}`, delayMs, periodMs);
          list.push({ timer, periodMs, deadlineMs: harness.nowMs + delayMs, age: ages++ });
        };
        const cancel = (at: number): void => {
          const [cancelled] = list.splice(at, 1);
          if (cancelled !== undefined) expect(harness.cancelTimer(cancelled.timer)).toBe(true);
        };
        for (const each of steps) {
          if ("start" in each) {
            for (let i = 0; i < each.start; i++) start(each.delaysMs[i % each.delaysMs.length] ?? 0, each.periodMs);
          } else if ("cancel" in each) {
            for (let i = 0; i < each.cancel; i++) cancel(each.end === "old" ? 0 : list.length - 1);
          } else {
            harness.nowMs += each.turnAfterMs;
            const { nowMs } = harness;
            const due = list
              .filter(({ deadlineMs }) => deadlineMs <= nowMs)
              .toSorted((a, b) => a.deadlineMs - b.deadlineMs || a.age - b.age);
            const fired = new Set<Modelled>();
            let count = 0;
            for (const one of due) {
              harness.when(`timer ${one.timer.name}`, () => {
                if (one.periodMs === 0) list.splice(list.indexOf(one), 1);
                else while (one.deadlineMs <= nowMs) one.deadlineMs += one.periodMs;
                one.age = ages++;
                fired.add(one);
                count += 1;
                if (each.inside === "start") start(count % 3, 0);
                if (each.inside === "cancel") cancel(count % list.length);
              });
              harness.answer(`timer ${one.timer.name}`, () => (count === each.stopAt ? Verdict.STOP : Verdict.GO_ON));
            }
            const trace = harness.turn();
            // Those due, in their order, up to the stop, without those that were cancelled meanwhile.
            expect(trace).toEqual(due.filter((one) => fired.has(one)).map(({ timer }) => `timer ${timer.name}`));
            // None of those due is left, unless the turn was stopped.
            const left = due.filter((one) => list.includes(one) && !fired.has(one));
            if (each.stopAt === 0 || count < each.stopAt) expect(left).toEqual([]);
          }
          expect(harness.engine.timerCount()).toBe(list.length);
        }
      }),
      { numRuns: 150 },
    );
  });
});
