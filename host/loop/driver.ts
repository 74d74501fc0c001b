/**
 * Owns when turns are taken on the host's event loop, and when they end: between turns the host waits for the poll set,
 * for a deadline, for a change made outside of a turn, and for anything that may change the interest of sampled channels.
 * Knows the seam {@link Turns}; knows neither the engine nor a guest, both of which it drives.
 */

import { performance } from "node:perf_hooks";
import type { Clock, Turns, Watch } from "../backend/backend.js";
import { Activity } from "./activity.js";
import { timers } from "../backend/unhooked.js";

/**
 * How long turns may follow each other before the rest of the process runs; counted from the end of the first where the
 * wake before had a single turn. Measured by the clock and not in turns, so that the cost of handlers does not matter. An iteration of Node's own event loop takes about as long under load.
 * Returning to the host's event loop costs about as much as serving ten messages.
 */
const WAKE_MS = 8;

/** The longest delay that the host's timers support. */
const TIMER_MS_MAX = 0x7fffffff;

export class Driver {
  readonly #turns: Turns;
  readonly #signal: AbortSignal | undefined;
  readonly #activity: Activity;
  #watch: Watch | undefined;
  /** Takes a turn in the next iteration of the host's event loop. */
  #immediate: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** When the timer fires, and when the wait must end. The timer may be earlier, but never later. */
  #timerAtMs = Infinity;
  #waitUntilMs = Infinity;
  #turnEndedMs = 0;
  #isInTurn = false;
  /** Did the last wake take several turns, or would it have? */
  #wasBusy = false;
  #keepsAlive = true;
  #settle: { resolve: () => void; reject: (error: unknown) => void } | undefined;

  constructor(turns: Turns, signal: AbortSignal | undefined) {
    this.#turns = turns;
    this.#signal = signal;
    this.#activity = new Activity(() => this.#sampleAgain());
  }

  /** Resolves when no turn is to follow, or the signal is aborted; rejects with what a turn throws. */
  run(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
      this.#signal?.addEventListener("abort", this.#abort);
      if (this.#signal?.aborted === true) this.#end();
      else this.#attempt(() => this.#waitForTurn(this.#turns.prepare(0)));
    });
  }

  /** Waits for a reason to take the turn that was prepared. */
  #waitForTurn(waitMs: number | undefined): void {
    // Without a deadline, and without samples to be taken before it, the time is not used.
    const nowMs = waitMs === Infinity && !this.#turns.areSampled ? 0 : performance.now();
    this.#turnEndedMs = nowMs;
    this.#activity.reset();
    this.#wait(waitMs, nowMs);
  }

  #wait(waitMs: number | undefined, nowMs: number): void {
    // A sampled handler may have aborted the signal, which ends the driver.
    if (waitMs === undefined || this.#settle === undefined) return this.#end();
    const turns = this.#turns;
    const isWait = turns.beforeWait() && waitMs > 0;
    // Made when it is needed: a loop that is called for one turn at a time, without a wait, never needs it.
    if (isWait && this.#watch === undefined) this.#startWatch();
    if (turns.keepsAlive !== this.#keepsAlive) this.#setReferenced(turns.keepsAlive);
    turns.onChange = this.#runSoon;
    this.#noticeActivity();
    if (isWait) this.#waitFor(waitMs, nowMs);
    else this.#runSoon();
  }

  #startWatch(): void {
    this.#watch = this.#turns.pollSet.watch(this.#wake);
    this.#watch.mayWait = this.#mayWait;
    if (!this.#keepsAlive) this.#watch.setReferenced(false);
  }

  /** Without a watch a turn follows anyway, and samples. */
  #noticeActivity(): void {
    const watch = this.#watch;
    if (!this.#turns.areSampled) this.#activity.stop();
    else if (watch?.waitsItself === true) this.#activity.observe();
    else if (watch !== undefined) this.#activity.watch(watch.waitsItself === false);
  }

  /** See {@link Watch.mayWait}. */
  readonly #mayWait = (isFirst: boolean): boolean => {
    if (!this.#turns.areSampled) return true;
    if (this.#watch?.waitsItself === true) return this.#activity.isQuiet(isFirst);
    this.#sampleAgain();
    return true;
  };

  readonly #wake = (): void => {
    if (this.#settle === undefined) return;
    this.#turns.onChange = undefined;
    if (this.#immediate !== undefined) timers.clearImmediate(this.#immediate);
    this.#immediate = undefined;
    this.#attempt(this.#takeTurns);
  };

  /** Takes several turns under load: the next one will find something too, and returning to the host's loop costs more. */
  readonly #takeTurns = (): void => {
    const turns = this.#turns;
    const { busyFrom } = turns;
    // Where the wake before was not busy, this one is not either, most of the time, and the clock is not read.
    let endMs = this.#wasBusy ? performance.now() + WAKE_MS : 0;
    this.#wasBusy = false;
    while (true) {
      this.#isInTurn = true;
      const ready = turns.run();
      this.#isInTurn = false;
      const waitMs = this.#signal?.aborted === true ? undefined : turns.prepare(0);
      this.#wasBusy ||= ready >= busyFrom;
      const isLast = waitMs === undefined || ready <= 0 || turns.isOtherReady === true;
      // A channel that is not sampled begins to want to write because its socket is full.
      const writesNow = !isLast && !this.#wasBusy && turns.areSampled && turns.canWrite?.() === true;
      if (isLast || (!this.#wasBusy && !writesNow)) return this.#waitForTurn(waitMs);
      const nowMs = performance.now();
      if (endMs === 0) endMs = nowMs + WAKE_MS;
      else if (nowMs >= endMs) return this.#waitForTurn(waitMs);
    }
  };

  /** Something else has run: the interest of sampled channels may have changed since the turn was prepared. */
  #sampleAgain(): void {
    // A turn that is scheduled already will sample.
    if (this.#settle === undefined || this.#immediate !== undefined) return;
    this.#turns.onChange = undefined;
    this.#attempt(() => {
      const nowMs = performance.now();
      this.#wait(this.#turns.prepare(nowMs - this.#turnEndedMs), nowMs);
    });
  }

  #attempt(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#end({ error });
    }
  }

  readonly #runSoon = (): void => {
    this.#immediate ??= timers.setImmediate(this.#wake);
  };

  readonly #abort = (): void => {
    // Inside a turn, the driver ends after the turn.
    if (!this.#isInTurn) this.#end();
  };

  /** A timer that fires too early is set again then: cheaper than moving it every turn. */
  #waitFor(waitMs: number, nowMs: number): void {
    this.#waitUntilMs = nowMs + waitMs;
    if (this.#timer !== undefined && this.#timerAtMs <= this.#waitUntilMs) return;
    this.#setTimer(waitMs);
  }

  #setTimer(waitMs: number): void {
    timers.clearTimeout(this.#timer);
    this.#timerAtMs = performance.now() + waitMs;
    this.#timer = timers.setTimeout(this.#timeout, Math.min(Math.ceil(waitMs), TIMER_MS_MAX));
    if (!this.#keepsAlive) this.#timer.unref();
  }

  #setReferenced(on: boolean): void {
    this.#keepsAlive = on;
    this.#watch?.setReferenced(on);
    this.#activity.keepsAlive = on;
    if (on) this.#timer?.ref();
    else this.#timer?.unref();
  }

  readonly #timeout = (): void => {
    this.#timer = undefined;
    const leftMs = this.#waitUntilMs - performance.now();
    if (leftMs > 0) this.#setTimer(leftMs);
    else this.#wake();
  };

  #end(thrown?: { readonly error: unknown }): void {
    const settle = this.#settle;
    if (settle === undefined) return;
    this.#settle = undefined;
    this.#turns.onChange = undefined;
    this.#signal?.removeEventListener("abort", this.#abort);
    this.#watch?.stop();
    this.#activity.stop();
    timers.clearTimeout(this.#timer);
    timers.clearImmediate(this.#immediate);
    if (thrown === undefined) settle.resolve();
    else settle.reject(thrown.error);
  }
}

/** Takes turns until none is to follow: on the host's event loop, unless a clock has a taker of its own. */
export function takeTurns(clock: Clock, turns: Turns, signal: AbortSignal | undefined): Promise<void> {
  return clock.turnTaker === undefined ? new Driver(turns, signal).run() : clock.turnTaker.take(turns, signal);
}
