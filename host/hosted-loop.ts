/**
 * Owns waiting between turns without blocking the host: on the poll set through the host's event loop, on a timer for
 * the next deadline, and on changes made from outside. Knows the scheduler and the poll set; knows no handler class.
 */

import type { Watch } from "./backend.js";
import type { LoopPlan } from "./loop.js";

export class HostedLoop {
  readonly #plan: LoopPlan;
  #turnsLeft: number;
  #watch: Watch | undefined;
  /** Runs a turn in the next round of the host's event loop. */
  #immediate: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** When the timer goes off, and when the poll must end: the first may be earlier than the second, never later. */
  #timerAtMs = Infinity;
  #waitUntilMs = Infinity;
  #settle: { resolve: () => void; reject: (error: unknown) => void } | undefined;

  constructor(plan: LoopPlan) {
    this.#plan = plan;
    this.#turnsLeft = plan.count;
  }

  run(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
      this.#plan.signal?.addEventListener("abort", this.#abort);
      this.#next();
    });
  }

  /** Prepares the next turn, and waits for a reason to run it. */
  #next(): void {
    const { scheduler, timeoutMs, byChannel, signal } = this.#plan;
    scheduler.onChange = undefined;
    if (this.#turnsLeft <= 0 || scheduler.isIdle || signal?.aborted === true) return this.#end();
    try {
      const waitMs = scheduler.prepare(timeoutMs, byChannel);
      scheduler.poller.synchronize();
      // Not earlier: a channel map that is never run needs no watch, and an empty poll set nothing to watch.
      this.#watch ??= scheduler.poller.pollSet.watch(this.#turn);
      scheduler.onChange = this.#runSoon;
      if (waitMs === 0 || scheduler.poller.isImmediate || scheduler.isIdle) this.#runSoon();
      else this.#waitFor(waitMs);
    } catch (error) {
      this.#end(error);
    }
  }

  readonly #turn = (): void => {
    if (this.#settle === undefined) return;
    const { scheduler, byChannel } = this.#plan;
    scheduler.onChange = undefined;
    if (this.#immediate !== undefined) {
      clearImmediate(this.#immediate);
      this.#immediate = undefined;
    }
    this.#turnsLeft -= 1;
    try {
      scheduler.run(0, byChannel);
    } catch (error) {
      return this.#end(error);
    }
    this.#next();
  };

  readonly #runSoon = (): void => {
    this.#immediate ??= setImmediate(this.#turn);
  };

  readonly #abort = (): void => {
    // Inside a turn the loop ends after it, as after any other.
    if (this.#plan.scheduler.engine.isTurning() === 0) this.#end();
  };

  /** A timer that goes off too early is set anew then: cheaper than moving it every turn. */
  #waitFor(waitMs: number): void {
    const { scheduler } = this.#plan;
    this.#waitUntilMs = scheduler.nowMs() + waitMs;
    if (this.#timer !== undefined && this.#timerAtMs <= this.#waitUntilMs) return;
    this.#setTimer(waitMs);
  }

  #setTimer(waitMs: number): void {
    clearTimeout(this.#timer);
    this.#timerAtMs = this.#plan.scheduler.nowMs() + waitMs;
    this.#timer = setTimeout(this.#timeout, Math.ceil(waitMs));
  }

  readonly #timeout = (): void => {
    this.#timer = undefined;
    const leftMs = this.#waitUntilMs - this.#plan.scheduler.nowMs();
    if (leftMs > 0) this.#setTimer(leftMs);
    else this.#turn();
  };

  #end(error?: unknown): void {
    const settle = this.#settle;
    if (settle === undefined) return;
    this.#settle = undefined;
    this.#plan.scheduler.onChange = undefined;
    this.#plan.signal?.removeEventListener("abort", this.#abort);
    this.#watch?.stop();
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
    if (error === undefined) settle.resolve();
    else settle.reject(error);
  }
}
