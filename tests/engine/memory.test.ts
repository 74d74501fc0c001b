/** Holds what the engine does when its memory cannot grow: it refuses whole calls, and stays usable. */

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  EngineHarness,
  Pause,
  READ_WRITE,
  Refusal,
  State,
  readable,
  writable,
  type Named,
  type ScriptedChannel,
} from "./harness.js";
import { readModule, withMemoryLimit } from "./wasm.js";

const NOMEM = -48;

/** The module begins with two pages. */
const limited = withMemoryLimit(readModule("engine.wasm"), 4);

/** Adds until the engine refuses. */
function addUntilRefused<T>(add: (index: number) => T): T[] {
  const added: T[] = [];
  while (true) {
    try {
      added.push(add(added.length));
    } catch (error) {
      expect(error).toEqual(new Refusal(NOMEM));
      return added;
    }
  }
}

const addChannels = (harness: EngineHarness, prefix = "c"): ScriptedChannel[] =>
  addUntilRefused((index) => harness.add(`${prefix}${index}`));

describe("a channel too many", () => {
  test("is refused with NOMEM, and nothing changes", () => {
    const harness = new EngineHarness(limited);
    const channels = addChannels(harness);
    expect(channels.length).toBeGreaterThan(100);
    const { engine } = harness;
    const before = [engine.channelCount(), engine.changeCount(), harness.statistics()];
    for (let i = 0; i < 10; i++) expect(engine.channelAdd(9999, State.OPEN, READ_WRITE, 0, 1)).toBe(NOMEM);
    expect([engine.channelCount(), engine.changeCount(), harness.statistics()]).toEqual(before);
  });

  test("leaves the others whole: each changes its interest, leaves, and has a successor", () => {
    const harness = new EngineHarness(limited);
    const channels = addChannels(harness);
    for (const channel of channels) harness.setInterest(channel, READ_WRITE);
    for (const channel of channels) harness.setInterest(channel, 0);
    for (const channel of channels) harness.setInterest(channel, READ_WRITE);
    for (const channel of channels.slice(0, -10)) expect(harness.remove(channel)).toBe(true);
    const few = channels.slice(-10);
    expect(harness.turn(few.map((each) => readable(each)))).toEqual(few.map(({ name }) => `read ${name}`));
    expect(harness.kernel.size).toBe(few.length);
    const successors = addChannels(harness, "s");
    expect(successors.length).toBeGreaterThanOrEqual(channels.length - few.length);
    for (const channel of [...few, ...successors]) expect(harness.remove(channel)).toBe(true);
    expect(harness.engine.channelCount()).toBe(0);
  });

  test("and every listener can still be paused", () => {
    const harness = new EngineHarness(limited);
    const listeners = addUntilRefused((index) => harness.add(`l${index}`, { state: State.ACCEPTING }));
    for (const listener of listeners) expect(harness.pause(listener)).not.toBe(Pause.NONE);
    expect(harness.statistics().pauses).toBe(listeners.length);
  });

  test("is refused where removals fill the log between two polls", () => {
    const harness = new EngineHarness(limited);
    const added = addUntilRefused((index) => {
      harness.engine.turnPrepare(0);
      const channel = harness.add(`c${index}`);
      harness.remove(channel);
      return channel;
    });
    expect(harness.engine.changeCount()).toBe(added.length);
    harness.turn();
    harness.add("after the poll");
    expect(harness.turn([])).toEqual([]);
    expect(harness.watched()).toEqual(["read after the poll"]);
  });
});

describe("a turn whose events have no room", () => {
  test("answers NOMEM before it polls, and goes on when there are fewer channels", () => {
    const harness = new EngineHarness(limited);
    // With more timers than the rest of the memory holds, none is left for events of a second direction.
    const channels = Array.from({ length: 400 }, (_, index) => harness.add(`c${index}`));
    addUntilRefused((index) => harness.startTimer(`t${index}`, 1e6));
    for (const channel of channels) harness.setInterest(channel, READ_WRITE);
    let polls = 0;
    harness.when("poll", () => polls++);
    expect(harness.turn(channels.map((each) => readable(each)))).toEqual([]);
    expect([harness.result, polls, harness.statistics().turns, harness.engine.isTurning()]).toEqual([NOMEM, 0, 0, 0]);
    expect(harness.engine.changeCount()).toBe(channels.length);
    for (const channel of channels.splice(2)) harness.remove(channel);
    expect(harness.turn(channels.flatMap((each) => [readable(each), writable(each)]))).toEqual([
      "read c0",
      "read c1",
      "write c0",
      "write c1",
    ]);
  });
});

test("as many channels as there is memory for can be polled, in the interest that they came with", () => {
  const harness = new EngineHarness(limited);
  const channels = addChannels(harness);
  expect(harness.turn(channels.map((each) => readable(each)))).toEqual(channels.map(({ name }) => `read ${name}`));
});

test.each([1000, 5000, 20_000])("%i channels take less than 400 bytes each, turns included", (count) => {
  const harness = new EngineHarness();
  const before = harness.engine.memory.buffer.byteLength;
  for (let index = 0; index < count; index++) {
    harness.add(`c${index}`);
    if (index % 100 === 0) harness.turn();
  }
  harness.turn();
  // Memory grows by pages of 64 KiB.
  expect(harness.engine.memory.buffer.byteLength - before).toBeLessThan(count * 400 + 65_536);
});

test("a timer too many is refused with NOMEM; the others fire, and their slots are given out again", () => {
  const harness = new EngineHarness(limited);
  const timers = addUntilRefused((index) => harness.startTimer(`t${index}`, 1));
  expect(timers.length).toBeGreaterThan(100);
  expect([harness.engine.timerAdd(0, 0), harness.engine.timerCount()]).toEqual([NOMEM, timers.length]);
  harness.nowMs += 1;
  expect(harness.turn()).toEqual(timers.map(({ name }) => `timer ${name}`));
  expect(addUntilRefused((index) => harness.startTimer(`u${index}`, 1)).length).toBe(timers.length);
});

test("whatever is done with little memory, calls are refused, and no call traps", () => {
  const step = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ add: fc.integer({ min: 1, max: 240 }), interest: fc.nat(3), listens: fc.boolean() }),
    },
    { weight: 2, arbitrary: fc.record({ remove: fc.integer({ min: 1, max: 90 }) }) },
    { weight: 2, arbitrary: fc.record({ start: fc.integer({ min: 1, max: 200 }) }) },
    { weight: 1, arbitrary: fc.record({ cancel: fc.integer({ min: 1, max: 150 }) }) },
    { weight: 2, arbitrary: fc.record({ change: fc.constantFrom(0, 1, 3, 3) }) },
    { weight: 3, arbitrary: fc.record({ turn: fc.nat(3), stop: fc.boolean() }) },
    { weight: 1, arbitrary: fc.record({ prepare: fc.constant(true) }) },
  );
  const refusals = { channel: 0, timer: 0, turn: 0 };
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 80 }), (steps) => {
      const harness = new EngineHarness(limited);
      const channels: ScriptedChannel[] = [];
      const timers = new Set<Named>();
      const attempt = (kind: "channel" | "timer", action: () => void): void => {
        try {
          action();
        } catch (error) {
          expect(error).toEqual(new Refusal(NOMEM));
          refusals[kind]++;
        }
      };
      let names = 0;
      for (const each of steps) {
        if ("add" in each) {
          const state = each.listens ? State.ACCEPTING : State.OPEN;
          for (let i = 0; i < each.add; i++)
            attempt("channel", () => channels.push(harness.add(`c${names++}`, { interest: each.interest, state })));
        } else if ("remove" in each) {
          for (const channel of channels.splice(0, each.remove)) expect(harness.remove(channel)).toBe(true);
        } else if ("start" in each) {
          for (let i = 0; i < each.start; i++)
            attempt("timer", () => {
              const name = `t${names++}`;
              const timer = harness.startTimer(name, i % 7);
              timers.add(timer);
              harness.when(`timer ${name}`, () => timers.delete(timer));
            });
        } else if ("cancel" in each) {
          for (const timer of [...timers].slice(0, each.cancel)) {
            expect(harness.cancelTimer(timer)).toBe(true);
            timers.delete(timer);
          }
        } else if ("change" in each) {
          for (const channel of channels) {
            harness.setInterest(channel, each.change);
            harness.pause(channel);
          }
        } else if ("turn" in each) {
          harness.nowMs += each.turn;
          // There is room for events of subscriptions alone.
          const ready = channels.filter(
            ({ slot }, index) => index % 3 !== each.turn && harness.engine.channelRegistered(slot) === READ_WRITE,
          );
          const [first] = ready;
          if (each.stop && first !== undefined) harness.answer(`read ${first.name}`, () => 1);
          harness.turn(ready.flatMap((channel) => [readable(channel), writable(channel)]));
          if (harness.result < 0) {
            expect(harness.result).toBe(NOMEM);
            refusals.turn++;
          }
        } else {
          harness.engine.turnPrepare(0);
        }
        expect([harness.engine.channelCount(), harness.engine.timerCount()]).toEqual([channels.length, timers.size]);
      }
    }),
    { numRuns: 150 },
  );
  expect(Object.values(refusals).every((count) => count > 0)).toBe(true);
});
