/**
 * Holds engine.wasm against the model of pauses: random programs in which listeners run out of descriptors must leave the same
 * trace on both. The other random models have timers (timers-model), readiness (model) and the change log (watch-model).
 */

import * as fc from "fast-check";
import { expect, test } from "vitest";
import {
  EngineHarness,
  Interest,
  READ_WRITE,
  State,
  Verdict,
  readable,
  userdataOf,
  writable,
  type Named,
  type ScriptedChannel,
} from "./harness.js";
import {
  PAUSE_NAMES,
  PauseModel,
  pick,
  pickNamed,
  type Act,
  type Script,
  type Seen,
  type Turn,
  type World,
} from "./pause-model.js";
import { FD_READ, type WasiSubscription } from "./wasi-bytes.js";

/** What a callback does. */
interface Step {
  readonly acts: readonly Act[];
  /** Does a listener find itself out of descriptors, after that? */
  readonly exhausted: boolean;
  readonly verdict: number;
}

interface Scene extends Turn {
  readonly before: readonly Act[];
  readonly between: readonly Act[];
  readonly asked: readonly (readonly Act[])[];
  readonly steps: readonly Step[];
}

const NOTHING: Step = { acts: [], exhausted: false, verdict: Verdict.GO_ON };

class Engine implements World {
  readonly #harness = new EngineHarness();
  readonly #all: ScriptedChannel[] = [];
  readonly #timers: Named[] = [];
  #script: Script | undefined;

  act(act: Act): string {
    const harness = this.#harness;
    if (act.do === "add") {
      const channel = harness.add(`c${this.#all.length}`, act);
      this.#all.push(channel);
      for (const kind of ["accept", "read", "write"]) this.#calls(`${kind} ${channel.name}`);
      harness.when(`ask ${channel.name}`, () => this.#script?.ask());
    } else if (act.do === "start") {
      const timer = harness.startTimer(`t${this.#timers.length}`, act.delayMs, act.periodMs);
      this.#timers.push(timer);
      this.#calls(`timer ${timer.name}`);
    } else if (act.do === "pass") harness.nowMs += act.ms;
    else if (act.do === "cancel") {
      const timer = pick(this.#timers, act.which);
      if (timer !== undefined && harness.cancelTimer(timer)) return `cancelled ${timer.name}`;
    } else {
      const channel = pickNamed(this.#all, act);
      if (channel === undefined) return "";
      const { name } = channel;
      if (act.do === "pause" || act.do === "exhaust")
        return `pause ${name} ${PAUSE_NAMES.get(harness.pause(channel)) ?? "?"}`;
      if (act.do === "remove") return harness.remove(channel) ? `removed ${name}` : "";
      if (act.do === "state") harness.setState(channel, act.to);
      else {
        channel.wants = act.to;
        harness.setInterest(channel, act.to);
      }
    }
    return "";
  }

  #calls(event: string): void {
    this.#harness.answer(event, () => this.#script?.callback(event) ?? Verdict.GO_ON);
  }

  turn({ ready, timeoutMs, byChannel, again }: Turn, script: Script): Seen {
    const harness = this.#harness;
    const found = ready.flatMap(({ which, bits }) => {
      const channel = pick(this.#all, which);
      if (channel === undefined) return [];
      return [
        ...((bits & Interest.WRITE) === 0 ? [] : [writable(channel)]),
        ...((bits & Interest.READ) === 0 ? [] : [readable(channel)]),
      ];
    });
    this.#script = script;
    harness.when("wait", () => {
      script.between();
      if (again) harness.waitMs = harness.engine.turnPrepare(timeoutMs);
    });
    harness.turn(found, { byChannel, timeoutMs });
    expect(harness.poll.timeoutNs).toBe(harness.waitMs > 0 ? BigInt(harness.waitMs) * 1_000_000n : 1n);
    return {
      sampled: harness.sampled,
      waitMs: harness.waitMs,
      watched: harness.poll.subscriptions.map((each) => this.#nameOf(each)).toSorted(),
      told: harness.trace,
      ready: harness.result,
      pauses: Number(harness.statistics().pauses),
    };
  }

  /** By the name that a channel had in the poll: it may be gone since. */
  #nameOf({ userdata, tag, id }: WasiSubscription): string {
    const channel = this.#all.find((each) => each.fd === id && userdataOf(each) === userdata);
    return `${tag === FD_READ ? "read" : "write"} ${channel?.name ?? "nobody"}`;
  }
}

/** The whole trace: what each turn was seen to do, and what came of everything that was done. */
function play(world: World, scenes: readonly Scene[]): unknown[] {
  return scenes.map((scene) => {
    const outcomes: string[] = [];
    const perform = (acts: readonly Act[]): void => {
      for (const act of acts) outcomes.push(world.act(act));
    };
    const [asked, steps] = [scene.asked.values(), scene.steps.values()];
    perform(scene.before);
    const seen = world.turn(scene, {
      ask: () => perform(asked.next().value ?? []),
      between: () => perform(scene.between),
      callback(event) {
        const { acts, exhausted, verdict } = steps.next().value ?? NOTHING;
        perform(acts);
        const [kind, name = ""] = event.split(" ");
        if (exhausted && kind === "accept") perform([{ do: "exhaust", name }]);
        return verdict;
      },
    });
    return { ...seen, outcomes: outcomes.filter((outcome) => outcome !== "") };
  });
}

const which = fc.nat(7);
const interest = fc.integer({ min: 0, max: READ_WRITE });
const state = fc.constantFrom(State.ACCEPTING, State.ACCEPTING, State.OPEN, State.IDLE);
/** Many of the times at which a pause ends, and those just before and after. */
const ms = fc.oneof(fc.constantFrom(0, 1, 250, 500, 999, 1000, 1001), fc.nat(1500));

const add = fc.record({ do: fc.constant("add" as const), state, interest, sampled: fc.boolean() });
const rest: readonly fc.WeightedArbitrary<Act>[] = [
  { weight: 2, arbitrary: fc.record({ do: fc.constant("remove" as const), which }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("pause" as const), which }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("interest" as const), which, to: interest }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("state" as const), which, to: state }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("pass" as const), ms }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("start" as const),
      delayMs: fc.integer({ min: -5, max: 1500 }),
      periodMs: fc.constantFrom(0, 0, 300),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("cancel" as const), which }) },
];
const changes = fc.array(fc.oneof(...rest), { maxLength: 2 });
const acts = fc.array(fc.oneof({ weight: 4, arbitrary: add }, ...rest), { maxLength: 4 });
const step: fc.Arbitrary<Step> = fc.record({
  acts: fc.array(fc.oneof({ weight: 2, arbitrary: add }, ...rest), { maxLength: 2 }),
  exhausted: fc.boolean(),
  verdict: fc.constantFrom(Verdict.GO_ON, Verdict.AGAIN, Verdict.AGAIN, Verdict.STOP, Verdict.FAILED),
});
const scenes: fc.Arbitrary<Scene[]> = fc.array(
  fc.record({
    before: acts,
    // None is added there: a sampled channel that no turn has asked yet is not watched.
    between: changes,
    asked: fc.array(changes, { maxLength: 3 }),
    again: fc.boolean(),
    ready: fc.array(fc.record({ which, bits: interest }), { maxLength: 6 }),
    steps: fc.array(step, { maxLength: 8 }),
    timeoutMs: fc.oneof(fc.constantFrom(0, Infinity), ms),
    byChannel: fc.boolean(),
  }),
  { minLength: 1, maxLength: 15 },
);

test("whoever pauses, resumes, leaves and stops a turn, the engine watches, waits and tells as the model does", () => {
  fc.assert(
    fc.property(scenes, (each) => {
      expect(play(new Engine(), each)).toEqual(play(new PauseModel(), each));
    }),
    { numRuns: 500 },
  );
});
