/**
 * Owns what is done around the events of one engine only where somebody asks for it: their time, what is published of
 * them, and warnings of slow callbacks. Knows the seam {@link Observed}; knows no engine.
 *
 * The scheduler passes events through here only while {@link Observation.isNeeded}.
 */

import { performance } from "node:perf_hooks";
import { counted } from "../backend/counted.js";
import { nameForLog, writeLog } from "../backend/log.js";
import { areTurnsWatched, events, polls, timers, turns } from "./diagnostics.js";
import { callbackName } from "./callbacks.js";
import type { Channel } from "./channel.js";
import type { ChannelMap } from "./channel-map.js";
import { Kind } from "./engine.js";

/** What is observed: the scheduler of a map. */
export interface Observed {
  readonly map: ChannelMap;
  channelAt(slot: number): Channel | undefined;
  /** The name of the function that a timer calls. */
  timerName(slot: number): string;
  /** Delivers an event. @returns the verdict */
  deliver(slot: number, kind: number, detail: number): number;
}

/** The callback that took longest. */
export interface SlowCallback {
  /** The channel as text; undefined for a timer. */
  readonly channel: string | undefined;
  /** "handleRead", ...; the name of a timer's function. */
  readonly callback: string;
  readonly durationMs: number;
}

/** Notes the slowest callback while it is in {@link Observation.watches}. */
export class SlowestWatch {
  readonly #isHidden: (channel: Channel) => boolean;
  #slowest: SlowCallback | undefined;

  /** @param isHidden channels whose callbacks do not count */
  constructor(isHidden: (channel: Channel) => boolean) {
    this.#isHidden = isHidden;
  }

  note(channel: Channel | undefined, durationMs: number, describe: () => SlowCallback): void {
    if (durationMs <= (this.#slowest?.durationMs ?? 0)) return;
    if (channel === undefined || !this.#isHidden(channel)) this.#slowest = describe();
  }

  /** The slowest callback since the last call. */
  take(): SlowCallback | undefined {
    const slowest = this.#slowest;
    this.#slowest = undefined;
    return slowest;
  }
}

export class Observation {
  readonly watches = new Set<SlowestWatch>();
  /** See `ChannelMap.warnSlowMs`. */
  warnSlowMs = Infinity;
  readonly #observed: Observed;
  #startedMs = 0;
  #pollMs = 0;
  #callbacks = 0;
  #hasWarned = false;

  constructor(observed: Observed) {
    this.#observed = observed;
  }

  /** Must the next turn be observed? */
  get isNeeded(): boolean {
    return this.warnSlowMs < Infinity || this.watches.size > 0 || areTurnsWatched();
  }

  /** A turn begins that is observed to its end, whatever changes meanwhile. */
  beginTurn(): void {
    this.#pollMs = 0;
    this.#callbacks = 0;
    this.#hasWarned = false;
    this.#startedMs = performance.now();
  }

  poll(call: () => number): number {
    const startedMs = performance.now();
    const result = call();
    this.#pollMs = performance.now() - startedMs;
    if (polls.hasSubscribers) polls.publish({ map: this.#observed.map, durationMs: this.#pollMs });
    return result;
  }

  deliver(slot: number, kind: number, detail: number): number {
    const observed = this.#observed;
    const isTimer = kind === Kind.TIMER;
    const channel = isTimer ? undefined : observed.channelAt(slot);
    const callback = isTimer ? observed.timerName(slot) : callbackName(kind);
    const startedMs = performance.now();
    const verdict = observed.deliver(slot, kind, detail);
    this.#note(channel, callback, performance.now() - startedMs);
    return verdict;
  }

  endTurn(ready: number): void {
    const durationMs = performance.now() - this.#startedMs - this.#pollMs;
    const callbacks = this.#callbacks;
    if (durationMs > this.warnSlowMs && !this.#hasWarned) {
      warn(`a turn with ${counted(callbacks, "callback")}`, durationMs, this.warnSlowMs);
    }
    if (turns.hasSubscribers) turns.publish({ map: this.#observed.map, ready, callbacks, durationMs });
  }

  #note(channel: Channel | undefined, callback: string, durationMs: number): void {
    const { map } = this.#observed;
    this.#callbacks += 1;
    const describe = (): SlowCallback => ({
      channel: channel === undefined ? undefined : nameForLog(channel),
      callback,
      durationMs,
    });
    for (const watch of this.watches) watch.note(channel, durationMs, describe);
    if (durationMs > this.warnSlowMs) {
      this.#hasWarned = true;
      const what = channel === undefined ? `timer ${callback}`.trimEnd() : `${callback} of ${nameForLog(channel)}`;
      warn(what, durationMs, this.warnSlowMs);
    }
    if (channel === undefined) {
      if (timers.hasSubscribers) timers.publish({ map, name: callback, durationMs });
    } else if (events.hasSubscribers) {
      events.publish({ map, channel, callback, durationMs });
    }
  }
}

function warn(what: string, durationMs: number, warnSlowMs: number): void {
  writeLog("warning", `${what} took ${durationMs.toFixed(1)} ms (warnSlowMs is ${warnSlowMs})`, "stderr");
}
