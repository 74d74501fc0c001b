/**
 * Owns what is out of the ordinary in a timeline: long turns, resets, stalls, descriptors that stay open. Knows timelines
 * alone.
 */

import { EVENT_KINDS, type Timeline } from "./timeline.js";

export interface Anomaly {
  readonly atUs: number;
  /** undefined: of no lane. */
  readonly lane: number | undefined;
  readonly what: string;
}

/** A turn is long when it takes so many times the median, ... */
const LONG_TURN_TIMES = 20;
/** ... and at least this. */
const LONG_TURN_US = 10_000;
/** Standard input, output and error stay open. */
const STANDARD_DESCRIPTORS = 3;
/** Output that waits for the peer for so long is a stall. */
const STALL_US = 100_000;

const [READ, WRITE, BLOCKED, CLOSE, ERROR, NOTE] = (
  ["read", "write", "blocked", "close", "error", "note"] as const
).map((kind) => EVENT_KINDS.indexOf(kind));

/** In order of time. */
export function anomaliesOf(timeline: Timeline): Anomaly[] {
  return [...longTurns(timeline), ...errors(timeline), ...stalls(timeline), ...leftOpen(timeline)].toSorted(
    (one, other) => one.atUs - other.atUs,
  );
}

function* longTurns({ turns }: Timeline): Generator<Anomaly> {
  const sorted = turns.tookUs.toSorted();
  const limitUs = Math.max(LONG_TURN_US, (sorted[(sorted.length - 1) >> 1] ?? 0) * LONG_TURN_TIMES);
  for (const [index, tookUs] of turns.tookUs.entries()) {
    if (tookUs < limitUs) continue;
    yield {
      atUs: turns.beganUs[index] ?? 0,
      lane: undefined,
      what: `turn ${index} took ${(tookUs / 1000).toFixed(1)} ms`,
    };
  }
}

function* errors({ events, texts }: Timeline): Generator<Anomaly> {
  for (const [index, kind] of events.kind.entries()) {
    if (kind !== ERROR) continue;
    yield { atUs: events.atUs[index] ?? 0, lane: events.lane[index], what: texts[events.text[index] ?? 0] ?? "" };
  }
}

/** From the first send that took nothing to the next that took something. */
function* stalls({ events, durationUs }: Timeline): Generator<Anomaly> {
  const since = new Map<number, number>();
  const stall = (lane: number, fromUs: number, toUs: number): Anomaly | undefined =>
    toUs - fromUs < STALL_US
      ? undefined
      : { atUs: fromUs, lane, what: `output waits for the peer for ${((toUs - fromUs) / 1000).toFixed(0)} ms` };
  for (const [index, kind] of events.kind.entries()) {
    const lane = events.lane[index] ?? 0;
    const atUs = events.atUs[index] ?? 0;
    if (kind === BLOCKED && !since.has(lane)) since.set(lane, atUs);
    if (kind !== WRITE && kind !== CLOSE) continue;
    const fromUs = since.get(lane);
    if (fromUs === undefined) continue;
    since.delete(lane);
    const found = stall(lane, fromUs, atUs);
    if (found !== undefined) yield found;
  }
  for (const [lane, fromUs] of since) {
    const found = stall(lane, fromUs, durationUs);
    if (found !== undefined) yield found;
  }
}

/** Descriptors that carried data and are open at the end, long after their last event. */
function* leftOpen({ lanes, events, durationUs }: Timeline): Generator<Anomaly> {
  const lastUs = new Map<number, number>();
  for (const [index, kind] of events.kind.entries()) {
    if (kind === READ || kind === WRITE) lastUs.set(events.lane[index] ?? 0, events.atUs[index] ?? 0);
  }
  for (const [lane, atUs] of lastUs) {
    const { fd, closedUs } = lanes[lane] ?? {};
    if (closedUs !== undefined || (fd ?? 0) < STANDARD_DESCRIPTORS || durationUs - atUs < durationUs / 2) continue;
    yield { atUs, lane, what: "nothing more happens, and it stays open" };
  }
}

/** Where two runs differ first: the index of the event in both, one past the last of the shorter run; -1 where they do not differ. */
export function firstDifference(one: Timeline, other: Timeline): number {
  const length = Math.min(one.events.kind.length, other.events.kind.length);
  for (let index = 0; index < length; index++) if (signature(one, index) !== signature(other, index)) return index;
  return one.events.kind.length === other.events.kind.length ? -1 : length;
}

/**
 * What happened, without when; and without descriptors and addresses, whose numbers the system chooses anew in each run.
 * Contents are compared by their hash, which a recording has without them too.
 */
function signature({ events, texts }: Timeline, index: number): string {
  const lane = events.lane[index] ?? 0;
  const kind = events.kind[index] ?? 0;
  const text = kind === ERROR || kind === NOTE ? texts[events.text[index] ?? 0] : "";
  return [lane, kind, events.bytes[index], text, events.digest[index]].join(" ");
}
