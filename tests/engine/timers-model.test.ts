/** Holds the engine's timers to a plain model: whatever is started and cancelled, they fire as a sorted list would. */

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { EngineHarness, Verdict, type Named } from "./harness.js";

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
