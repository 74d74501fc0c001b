/**
 * Holds the subscription array and the change log against a model: whatever is done to the map, between turns or in a
 * callback, the array is the set of interests, and a kernel's set that follows the log alone is the same set.
 */

import * as fc from "fast-check";
import { expect, test } from "vitest";
import { EngineHarness, Interest, Pause, READ_WRITE, State, readable, type ScriptedChannel } from "./harness.js";

type Step =
  | { readonly do: "add"; readonly state: number; readonly interest: number; readonly sampled: boolean }
  | { readonly do: "remove" | "end" | "pause"; readonly which: number }
  | { readonly do: "interest" | "state"; readonly which: number; readonly to: number }
  | { readonly do: "wait"; readonly ms: number };

interface Turn {
  readonly before: readonly Step[];
  /** Done in a callback of this turn. */
  readonly inside: readonly Step[];
}

const state = fc.constantFrom(...Object.values(State));
const interest = fc.integer({ min: 0, max: READ_WRITE });
const which = fc.nat(50);

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant("add" as const), state, interest, sampled: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("remove" as const), which }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("interest" as const), which, to: interest }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("state" as const), which, to: state }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("end" as const, "pause" as const), which }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.nat(1500) }) },
);

const steps = fc.array(step, { maxLength: 12 });
const turns: fc.Arbitrary<Turn[]> = fc.array(fc.record({ before: steps, inside: steps }), {
  minLength: 1,
  maxLength: 25,
});

interface Watching {
  readonly array: readonly string[];
  /** Interest by descriptor, as the change log alone tells it. */
  readonly kernel: ReadonlyMap<number, number>;
  readonly channels: number;
  readonly slots: number;
}

interface Modelled {
  readonly channel: ScriptedChannel;
  readonly sampled: boolean;
  state: number;
  interest: number;
  ended: boolean;
  paused: boolean;
}

class Model {
  readonly harness = new EngineHarness();
  readonly live: Modelled[] = [];
  #added = 0;
  #resumeAtMs = 0;

  apply(each: Step): void {
    const { harness, live } = this;
    if (each.do === "wait") harness.nowMs += each.ms;
    else if (each.do === "add") this.#add(each);
    else {
      const target = live[each.which % live.length];
      if (target !== undefined) this.#change(target, each);
    }
  }

  /** Runs a turn. @returns what was watched in it, and what the model says. */
  turn({ before, inside }: Turn): { seen: Watching; expected: Watching } {
    const { harness, live } = this;
    before.forEach((each) => this.apply(each));
    if (harness.nowMs >= this.#resumeAtMs) for (const each of live) each.paused = false;
    const expected = live.flatMap((each) => this.#watchedOf(each)).toSorted();

    const reader = live.find(
      (each) => each.state === State.OPEN && !each.ended && (each.interest & Interest.READ) !== 0,
    );
    if (reader !== undefined) {
      let pending = inside;
      harness.when(`read ${reader.channel.name}`, () => {
        pending.forEach((each) => this.apply(each));
        pending = [];
      });
    }
    harness.turn(reader === undefined ? [] : [readable(reader.channel)]);

    const { subscriptions } = harness.poll;
    const array = new Map<number, number>();
    for (const { id, tag } of subscriptions) array.set(id, (array.get(id) ?? 0) | tag);
    return {
      seen: {
        array: subscriptions.map(({ userdata, tag, id }) => `${userdata} ${tag} ${id}`).toSorted(),
        kernel: harness.kernel,
        channels: harness.engine.channelCount(),
        slots: new Set(live.map(({ channel }) => channel.slot)).size,
      },
      expected: { array: expected, kernel: array, channels: live.length, slots: live.length },
    };
  }

  #change(target: Modelled, step: Exclude<Step, { do: "add" | "wait" }>): void {
    const { harness, live } = this;
    const { channel } = target;
    switch (step.do) {
      case "remove":
        live.splice(live.indexOf(target), 1);
        harness.remove(channel);
        // At once: one that pauses after it stays paused.
        for (const each of live) each.paused = false;
        return;
      case "end":
        harness.endInput(channel);
        target.ended = true;
        return;
      case "pause":
        expect(harness.pause(channel) !== Pause.NONE).toBe(target.state === State.ACCEPTING);
        if (target.state !== State.ACCEPTING) return;
        target.paused = true;
        this.#resumeAtMs = harness.nowMs + 1000;
        return;
      case "interest":
        harness.setInterest(channel, step.to);
        target.interest = channel.wants = step.to;
        return;
      case "state":
        harness.setState(channel, step.to);
        target.state = step.to;
    }
  }

  #add({ state, interest, sampled }: Step & { do: "add" }): void {
    // The lowest free descriptor, as POSIX gives it out: numbers are used again at once.
    let fd = 3;
    while (this.live.some(({ channel }) => channel.fd === fd)) fd++;
    const channel = this.harness.add(`c${this.#added++}`, { fd, state, interest, sampled });
    this.live.push({ channel, sampled, state, interest, ended: false, paused: false });
  }

  /** FD_READ is 1 and FD_WRITE is 2, as the bits of interest are. */
  #watchedOf({ channel, state, interest, ended, paused }: Modelled): string[] {
    const wanted = ended ? interest & Interest.WRITE : interest;
    const bits = {
      [State.IDLE]: Interest.NONE,
      [State.CONNECTING]: wanted | Interest.WRITE,
      [State.OPEN]: wanted,
      [State.ACCEPTING]: paused ? Interest.NONE : wanted & Interest.READ,
    }[state];
    const userdata = (BigInt(channel.generation) << 32n) | BigInt(channel.slot);
    return [Interest.READ, Interest.WRITE]
      .filter((bit) => ((bits ?? 0) & bit) !== 0)
      .map((bit) => `${userdata} ${bit} ${channel.fd}`);
  }
}

test("array and log are the set of interests after any sequence of changes", () => {
  fc.assert(
    fc.property(turns, (each) => {
      const model = new Model();
      for (const turn of each) {
        const { seen, expected } = model.turn(turn);
        expect(seen).toEqual(expected);
      }
    }),
    { numRuns: 300 },
  );
});

test("a log that the host has taken already starts anew", () => {
  const harness = new EngineHarness();
  const a = harness.add("a", { fd: 7 });
  expect(harness.engine.changeCount()).toBe(1);
  harness.engine.changesTaken();
  expect(harness.engine.changeCount()).toBe(0);
  harness.setInterest(a, READ_WRITE);
  harness.turn();
  expect(harness.poll.changes).toEqual([{ fd: 7, interest: READ_WRITE, slot: a.slot, generation: a.generation }]);
});

test("the log has one entry for a channel that changes often, with its last word", () => {
  const harness = new EngineHarness();
  const a = harness.add("a", { fd: 7 });
  for (const interest of [READ_WRITE, Interest.NONE, Interest.WRITE]) harness.setInterest(a, interest);
  harness.turn();
  expect(harness.poll.changes).toEqual([{ fd: 7, interest: Interest.WRITE, slot: a.slot, generation: a.generation }]);
});

test("a descriptor that changes hands between two polls is in the log twice, in that order", () => {
  const harness = new EngineHarness();
  const a = harness.add("a", { fd: 7 });
  harness.turn();
  harness.remove(a);
  const b = harness.add("b", { fd: 7, interest: READ_WRITE });
  harness.turn();
  expect(harness.poll.changes).toEqual([
    { fd: 7, interest: 0, slot: a.slot, generation: a.generation },
    { fd: 7, interest: READ_WRITE, slot: b.slot, generation: b.generation },
  ]);
});
