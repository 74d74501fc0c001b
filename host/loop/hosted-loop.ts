/**
 * Owns waiting between turns without blocking the host: on the poll set through the host's event loop, on a timer for
 * the next deadline, and on changes made from outside. Knows the scheduler and the poll set; knows no handler class.
 */

import type { Watch } from "../backend/backend.js";
import type { LoopPlan } from "./loop.js";
import { WAKE_MS } from "./wake.js";

/** At so many ready channels a wake is under load: it goes on until a turn finds nothing. */
const BUSY_CHANNELS = 4;

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
      this.#attempt(() => this.#wait(this.#prepare()));
    });
  }

  /** Prepares the next turn. @returns how long it may wait; nothing when there is to be none. */
  #prepare(): number | undefined {
    const { scheduler, timeoutMs, byChannel, signal } = this.#plan;
    if (this.#turnsLeft <= 0 || scheduler.isIdle || signal?.aborted === true) return undefined;
    return scheduler.prepare(timeoutMs, byChannel);
  }

  /** Waits for a reason to run the turn that was prepared. */
  #wait(waitMs: number | undefined): void {
    // A handler that was asked may have aborted the signal, which has ended this.
    if (waitMs === undefined || this.#settle === undefined) return this.#end();
    const { scheduler } = this.#plan;
    scheduler.poller.synchronize();
    this.#watch ??= scheduler.poller.pollSet.watch(this.#wake);
    scheduler.onChange = this.#runSoon;
    // Preparing may have closed the last channel.
    if (waitMs === 0 || scheduler.poller.isImmediate || scheduler.isIdle) this.#runSoon();
    else this.#waitFor(waitMs);
  }

  readonly #wake = (): void => {
    if (this.#settle === undefined) return;
    this.#plan.scheduler.onChange = undefined;
    clearImmediate(this.#immediate);
    this.#immediate = undefined;
    this.#attempt(this.#turns);
  };

  /** Under load the next turn has something to do as well, and going back to the host's loop costs more than a turn. */
  readonly #turns = (): void => {
    const { scheduler, byChannel } = this.#plan;
    const endMs = performance.now() + WAKE_MS;
    let isBusy = false;
    while (true) {
      const ready = scheduler.run(0, byChannel);
      this.#turnsLeft -= 1;
      const waitMs = this.#prepare();
      isBusy ||= ready >= BUSY_CHANNELS;
      if (waitMs === undefined || !isBusy || ready === 0 || performance.now() >= endMs) return this.#wait(waitMs);
    }
  };

  #attempt(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#end(error);
    }
  }

  readonly #runSoon = (): void => {
    this.#immediate ??= setImmediate(this.#wake);
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
    else this.#wake();
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
