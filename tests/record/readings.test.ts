/** What the clock said is given again at the reading at which it said it: timers are due in the turns in which they were. */

import { expect, test } from "vitest";
import { type Backend, ChannelMap, Dispatcher, loop, Socket } from "wasyncore";
import { createNodeBackend } from "../../host/node/backend.js";
import { record, replay } from "../../host/record/index.js";
import { Kind } from "../../host/record/calls.js";
import { Flag, RecordingKind } from "../../host/record/format.js";
import { RecordingReader, sourceOf } from "../../host/record/reader.js";
import { Player } from "../../host/record/replay/player.js";
import { written } from "./made.js";

const inner = createNodeBackend();

/** A clock that goes on by a step of its own with each reading. */
class SteppingClock {
  readonly turnTaker = undefined;
  readonly #steps: readonly number[];
  #nowNs = 0;
  #reading = 0;

  constructor(steps: readonly number[]) {
    this.#steps = steps;
  }

  monotonicNs(): number {
    return (this.#nowNs += this.#steps[this.#reading++ % this.#steps.length] ?? 0);
  }

  realtimeNs(): bigint {
    return inner.clock.realtimeNs();
  }

  threadCpuNs(): bigint {
    return inner.clock.threadCpuNs();
  }
}

/** One that tells the readings of turns apart, as that of a recording in a recording does. */
class TurnClock extends SteppingClock {
  turnNs(): number {
    return this.monotonicNs();
  }
}

/** Numbers that look random: xorshift, from a seed that is not 0. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

class Sampled extends Dispatcher {
  override readable(): boolean {
    return true;
  }

  override writable(): boolean {
    return false;
  }
}

/** Timers of 0 to 3 ms that are started between turns, by promises. @returns what fired, and how long after its start */
async function timersOf(backend: Backend, seed: number, isSampled: boolean): Promise<string[]> {
  const map = new ChannelMap({ backend });
  const next = numbers(seed);
  const fired: string[] = [];
  let name = 0;
  const start = (more: number): void => {
    const [own, begunMs] = [name++, map.now()];
    map.callLater(next() % 4, () => {
      fired.push(`${own} after ${map.now() - begunMs}`);
      if (more > 0) void Promise.resolve().then(() => start(more - 1));
    });
  };
  const ends = isSampled ? Socket.pair("stream", backend) : [];
  for (const end of ends) if (isSampled) new Sampled(end, map);
  for (let round = 0; round < 4; round++) {
    for (let i = 0; i < 3; i++) start(2);
    await loop({ map, count: 12, timeoutMs: 1 });
    fired.push("loop");
  }
  map.cancelTimers();
  for (const channel of [...map.values()]) channel.close();
  map[Symbol.dispose]();
  return fired;
}

test.each([
  ["no sampled channels", false, SteppingClock],
  ["sampled channels", true, SteppingClock],
  ["a clock that tells turns apart", false, TurnClock],
] as const)("timers fire in the turns in which they fired: %s", async (_what, isSampled, Clock) => {
  let count = 0;
  for (let seed = 1; seed <= 25; seed++) {
    const next = numbers(seed * 7919);
    const steps = Array.from({ length: 50 }, () => (next() % 12) * 100_000);
    const chunks: Uint8Array[] = [];
    const recorder = record({ ...inner, clock: new Clock(steps) }, (chunk) => chunks.push(chunk.slice()));
    const fired = await timersOf(recorder.backend, seed, isSampled);
    recorder.end();
    const replayed = replay(Buffer.concat(chunks));
    expect(await timersOf(replayed.backend, seed, isSampled), `seed ${seed}`).toEqual(fired);
    replayed.rethrow();
    expect(replayed.isComplete).toBe(true);
    count += fired.length;
  }
  expect(count).toBeGreaterThan(400);
});

const signed = (value: number): Uint8Array => Uint8Array.of(value * 2);
const HEADER = { kind: RecordingKind.BACKEND, flags: Flag.TURN_TIMES, realtimeNs: 0n, monotonicNs: 0n, details: {} };

test("readings that were passed over are given to the program, those of turns to turns, and none after the next turn", () => {
  const records = [
    { kind: Kind.TURN_TIME, body: signed(10) },
    { kind: Kind.CLOCK, body: signed(1) },
    { kind: Kind.CLOCK, body: signed(2) },
    { kind: Kind.TURN_TIME, body: signed(20) },
    { kind: Kind.CLOCK, body: signed(3) },
    { kind: Kind.TURN, body: Uint8Array.of(0, 0) },
    { kind: Kind.CLOCK, body: signed(4) },
  ];
  const player = new Player(new RecordingReader(sourceOf(written(HEADER, records))));
  expect(player.next).toBe(Kind.TURN);
  expect(player.readTurnTime()).toBe(33);
  expect([player.readClock(), player.readClock()]).toEqual([11, 13]);
  player.take(Kind.TURN, "turn", undefined, () => "a turn");
  player.records.fields.varint();
  player.records.fields.byte();
  player.turnUsed();
  expect(player.readClock()).toBe(40);
  expect(player.readClock()).toBe(40);
});

test("a recording without readings of turns of their own gives them with the program's, in their order", () => {
  const records = [
    { kind: Kind.CLOCK, body: signed(10) },
    { kind: Kind.CLOCK, body: signed(1) },
    { kind: Kind.TURN, body: Uint8Array.of(0, 0) },
  ];
  const player = new Player(new RecordingReader(sourceOf(written({ ...HEADER, flags: 0 }, records))));
  expect([player.readTurnTime(), player.readClock(), player.readClock()]).toEqual([10, 11, 11]);
  expect(player.next).toBe(Kind.TURN);
});
