/**
 * Holds engine.wasm against a model of the channel map in a few dozen lines: random programs of additions, interest,
 * removals, readiness and timers, with callbacks that do more of the same, must leave the same trace on both.
 */

import * as fc from "fast-check";
import { expect, test } from "vitest";
import {
  EngineHarness,
  Interest,
  READ_WRITE,
  readable,
  writable,
  type Named,
  type ScriptedChannel,
} from "./harness.js";

type Action =
  | { readonly do: "add" | "interest"; readonly which: number; readonly interest: number }
  | { readonly do: "remove" | "cancel"; readonly which: number }
  | { readonly do: "start"; readonly delayMs: number; readonly periodMs: number };

interface Turn {
  readonly before: readonly Action[];
  readonly ready: readonly { readonly which: number; readonly bits: number }[];
  /** What the callbacks of this turn do, the first one first. */
  readonly inside: readonly (readonly Action[])[];
  readonly laterMs: number;
  readonly byChannel: boolean;
}

/** What a program is played on. Channels and timers are named in the order in which they come. */
interface World {
  act(action: Action): void;
  /** @param onCallback called inside every callback */
  turn(turn: Turn, onCallback: () => void): string[];
}

const pick = <T>(list: readonly T[], which: number): T | undefined => list[which % Math.max(1, list.length)];

class Model implements World {
  #channels: { readonly name: string; interest: number }[] = [];
  #timers: { readonly name: string; deadlineMs: number; readonly periodMs: number; age: number }[] = [];
  #nowMs = 1000;
  #names = 0;
  #ages = 0;

  act(action: Action): void {
    if (action.do === "add") this.#channels.push({ name: `c${++this.#names}`, interest: action.interest });
    else if (action.do === "start") {
      const deadlineMs = this.#nowMs + action.delayMs;
      this.#timers.push({ name: `t${++this.#names}`, deadlineMs, periodMs: action.periodMs, age: this.#ages++ });
    } else if (action.do === "cancel")
      this.#timers = this.#timers.filter((each) => each !== pick(this.#timers, action.which));
    else {
      const channel = pick(this.#channels, action.which);
      if (channel !== undefined && action.do === "interest") channel.interest = action.interest;
      if (action.do === "remove") this.#channels = this.#channels.filter((each) => each !== channel);
    }
  }

  turn({ ready, laterMs, byChannel }: Turn, onCallback: () => void): string[] {
    this.#nowMs += laterMs;
    const trace: string[] = [];
    const tell = (event: string): void => {
      trace.push(event);
      onCallback();
    };
    const bits = new Map<string, number>();
    for (const { which, bits: found } of ready) {
      const channel = pick(this.#channels, which);
      if (channel !== undefined) bits.set(channel.name, (bits.get(channel.name) ?? 0) | (found & channel.interest));
    }
    const inOrder = this.#channels.slice();
    const deliver = (channel: (typeof inOrder)[number], kind: number): void => {
      const due = (bits.get(channel.name) ?? 0) & channel.interest & kind;
      if (due !== 0 && this.#channels.includes(channel))
        tell(`${kind === Interest.READ ? "read" : "write"} ${channel.name}`);
    };
    const kinds = [Interest.READ, Interest.WRITE];
    if (byChannel) for (const channel of inOrder) for (const kind of kinds) deliver(channel, kind);
    else for (const kind of kinds) for (const channel of inOrder) deliver(channel, kind);

    const due = this.#timers.filter(({ deadlineMs }) => deadlineMs <= this.#nowMs);
    for (const timer of due.toSorted((a, b) => a.deadlineMs - b.deadlineMs || a.age - b.age)) {
      if (!this.#timers.includes(timer)) continue;
      const { deadlineMs, periodMs } = timer;
      if (periodMs === 0) this.#timers = this.#timers.filter((each) => each !== timer);
      else {
        timer.deadlineMs += (Math.floor((this.#nowMs - deadlineMs) / periodMs) + 1) * periodMs;
        timer.age = this.#ages++;
      }
      tell(`timer ${timer.name}`);
    }
    return trace;
  }
}

class Engine implements World {
  readonly #harness = new EngineHarness();
  #channels: ScriptedChannel[] = [];
  #timers: Named[] = [];
  readonly #once = new Set<Named>();
  #names = 0;
  #onCallback: () => void = () => {};

  act(action: Action): void {
    const harness = this.#harness;
    if (action.do === "add") {
      const channel = harness.add(`c${++this.#names}`, { interest: action.interest });
      for (const kind of ["read", "write"]) harness.when(`${kind} ${channel.name}`, () => this.#onCallback());
      this.#channels.push(channel);
    } else if (action.do === "start") {
      const timer = harness.startTimer(`t${++this.#names}`, action.delayMs, action.periodMs);
      if (action.periodMs === 0) this.#once.add(timer);
      harness.when(`timer ${timer.name}`, () => {
        if (this.#once.has(timer)) this.#timers = this.#timers.filter((each) => each !== timer);
        this.#onCallback();
      });
      this.#timers.push(timer);
    } else if (action.do === "cancel") {
      const timer = pick(this.#timers, action.which);
      if (timer !== undefined) expect(harness.cancelTimer(timer)).toBe(true);
      this.#timers = this.#timers.filter((each) => each !== timer);
    } else {
      const channel = pick(this.#channels, action.which);
      if (channel === undefined) return;
      if (action.do === "interest") harness.setInterest(channel, action.interest);
      else {
        harness.remove(channel);
        this.#channels = this.#channels.filter((each) => each !== channel);
      }
    }
  }

  turn({ ready, laterMs, byChannel }: Turn, onCallback: () => void): string[] {
    this.#harness.nowMs += laterMs;
    this.#onCallback = onCallback;
    const events = ready.flatMap(({ which, bits }) => {
      const channel = pick(this.#channels, which);
      if (channel === undefined) return [];
      const found = bits & this.#harness.engine.channelRegistered(channel.slot);
      return [
        ...((found & Interest.WRITE) === 0 ? [] : [writable(channel)]),
        ...((found & Interest.READ) === 0 ? [] : [readable(channel)]),
      ];
    });
    return this.#harness.turn(events, { byChannel }).slice();
  }
}

function play(world: World, turns: readonly Turn[]): string[][] {
  return turns.map((turn) => {
    for (const action of turn.before) world.act(action);
    const inside = turn.inside.values();
    return world.turn(turn, () => {
      for (const action of inside.next().value ?? []) world.act(action);
    });
  });
}

const which = fc.nat(12);
const interest = fc.nat(READ_WRITE);
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant("add" as const), which, interest }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("interest" as const), which, interest }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom("remove" as const, "cancel" as const), which }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("start" as const),
      delayMs: fc.integer({ min: -5, max: 30 }),
      periodMs: fc.constantFrom(0, 0, 7, 20),
    }),
  },
);
const turns: fc.Arbitrary<Turn[]> = fc.array(
  fc.record({
    before: fc.array(action, { maxLength: 6 }),
    ready: fc.array(fc.record({ which, bits: interest }), { maxLength: 10 }),
    inside: fc.array(fc.array(action, { maxLength: 3 }), { maxLength: 12 }),
    laterMs: fc.nat(25),
    byChannel: fc.boolean(),
  }),
  { minLength: 1, maxLength: 15 },
);

test("whatever is added, removed, started and ready, and whatever callbacks do, the engine tells what the model tells", () => {
  fc.assert(
    fc.property(turns, (program) => {
      expect(play(new Engine(), program)).toEqual(play(new Model(), program));
    }),
    { numRuns: 500 },
  );
});
