/**
 * Owns the event loop of a program in a component: timers, the wait of all loops together, their turns, immediates; and the
 * jobs of promises after each callback. Knows the seam of turns, and who waits; knows no engine.
 */

import type { TurnTaker, Turns } from "../backend/backend.js";
import { runJobs } from "./microtasks.js";
import { takeUnhandled } from "./promise.js";
import { Timers } from "./timers.js";

const NS_PER_MS = 1e6;
const NEVER = -1;

/** Waits for everything that is not a timer. */
export interface Waiter {
  nowNs(): number;
  /** Waits until something is ready or the time is over. */
  wait(pollSets: readonly object[], timeoutMs: number): void;
  /** How many descriptors of a set the last wait found ready. */
  readyIn(pollSet: object): number;
  /** Is there something else that keeps the program going: a name that is looked up? */
  readonly isExpecting: boolean;
  /** Has the host output of closed connections to send? */
  readonly hasPendingOutput: boolean;
}

/** One `loop` that waits for its next turn. */
class LoopRun {
  readonly turns: Turns;
  readonly signal: AbortSignal | undefined;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  isEnded = false;
  /** Must the next turn be taken without a wait? */
  isDue = false;
  /** Has it been prepared since the last turn? */
  isPrepared = false;
  deadlineMs = Infinity;
  waitingSinceMs = 0;
  /** The activity at the last time that it was prepared. */
  sampledAt = 0;
  readonly onChange = (): void => {
    this.isDue = true;
  };
  readonly #abort = (): void => this.end();

  constructor(turns: Turns, signal: AbortSignal | undefined, resolve: () => void, reject: (error: unknown) => void) {
    this.turns = turns;
    this.signal = signal;
    this.resolve = resolve;
    this.reject = reject;
    // Its promise resolves when the signal is aborted, not when the next turn would be taken.
    signal?.addEventListener("abort", this.#abort);
    if (signal?.aborted === true) this.end();
  }

  end(thrown?: { readonly error: unknown }): void {
    if (this.isEnded) return;
    this.isEnded = true;
    this.turns.onChange = undefined;
    this.signal?.removeEventListener("abort", this.#abort);
    if (thrown === undefined) this.resolve();
    else this.reject(thrown.error);
  }

  /** Samples interest, and learns how long to wait. */
  prepare(nowMs: number, activity: number): void {
    const { turns } = this;
    this.sampledAt = activity;
    try {
      const waitMs =
        this.signal?.aborted === true ? undefined : turns.prepare(this.isPrepared ? nowMs - this.waitingSinceMs : 0);
      if (!this.isPrepared) this.waitingSinceMs = nowMs;
      this.isPrepared = true;
      if (waitMs === undefined) return this.end();
      if (!turns.beforeWait()) this.isDue = true;
      this.deadlineMs = nowMs + waitMs;
      turns.onChange = this.onChange;
    } catch (error) {
      this.end({ error });
    }
  }

  /** Whether another turn follows is known before the jobs of this one run, as on Node. */
  takeTurn(nowMs: () => number): void {
    this.turns.onChange = undefined;
    this.isDue = false;
    this.isPrepared = false;
    try {
      this.turns.run();
    } catch (error) {
      return this.end({ error });
    }
    // Jobs may change what it samples.
    if (!this.isEnded) this.prepare(nowMs(), NEVER);
  }
}

export class EventLoop implements TurnTaker {
  readonly timers = new Timers(() => this.nowMs());
  /** Takes what a callback throws, or a promise is rejected with, and nobody handles. */
  onUncaught: (error: unknown, origin: "uncaughtException" | "unhandledRejection", promise?: object) => void = () => {};
  #waiter: Waiter | undefined;
  readonly #runs = new Set<LoopRun>();
  /** Counts callbacks: what each may have changed is sampled again. */
  #activity = 0;

  readonly #now = (): number => this.nowMs();

  nowMs(): number {
    return (this.#waiter?.nowNs() ?? 0) / NS_PER_MS;
  }

  take(turns: Turns, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#runs.add(new LoopRun(turns, signal, resolve, reject));
    });
  }

  /** Runs `main`, and everything that follows from it, to its end. @param isOver is the program to end at once? */
  run(waiter: Waiter, main: () => void, isOver: () => boolean, beforeExit: () => void): void {
    this.#waiter = waiter;
    this.#call(main);
    do {
      while (!isOver() && this.#isAlive()) this.#pass(isOver);
      if (!isOver()) this.#call(beforeExit);
    } while (!isOver() && this.#isAlive());
  }

  /** Waits until the host has sent what closed connections have left. */
  flush(): void {
    while (this.#waiter?.hasPendingOutput === true) this.#waiter.wait([], Infinity);
  }

  #isAlive(): boolean {
    for (const run of this.#runs) {
      if (run.isEnded) this.#runs.delete(run);
      else if (run.turns.keepsAlive) return true;
    }
    return this.timers.keepAlive || this.#waiter?.isExpecting === true;
  }

  #pass(isOver: () => boolean): void {
    this.#runTimers(isOver);
    if (isOver()) return;
    this.#wait();
    for (const run of this.#runs) {
      if (isOver()) return;
      if (run.isEnded) this.#runs.delete(run);
      else if (this.#isDue(run)) this.#call(() => run.takeTurn(this.#now));
    }
    for (const immediate of this.timers.hasImmediates ? this.timers.takeImmediates() : []) {
      if (isOver()) return;
      this.#call(immediate.call);
    }
  }

  #isDue(run: LoopRun): boolean {
    return (
      run.isPrepared &&
      (run.isDue ||
        (this.#waiter?.readyIn(run.turns.pollSet) ?? 0) > 0 ||
        (run.deadlineMs !== Infinity && run.deadlineMs <= this.nowMs()))
    );
  }

  #runTimers(isOver: () => boolean): void {
    const { timers } = this;
    if (timers.nextMs === Infinity) return;
    const nowMs = this.nowMs();
    for (let timer = timers.takeDue(nowMs); timer !== undefined; timer = timers.takeDue(nowMs)) {
      this.#call(timer.call);
      timers.repeat(timer);
      if (isOver()) return;
    }
  }

  #wait(): void {
    const nowMs = this.nowMs();
    let untilMs = this.timers.nextMs;
    let isNow = this.timers.hasImmediates;
    const sets: object[] = [];
    for (const run of this.#runs) {
      if (!run.isEnded && (!run.isPrepared || (run.sampledAt !== this.#activity && run.turns.areSampled))) {
        run.prepare(nowMs, this.#activity);
      }
      if (run.isEnded) {
        this.#runs.delete(run);
        isNow = true;
        continue;
      }
      sets.push(run.turns.pollSet);
      if (run.isDue) isNow = true;
      untilMs = Math.min(untilMs, run.deadlineMs);
    }
    // What ended a loop, or was sampled, may have started promises.
    this.#runJobs();
    for (const run of this.#runs) if (run.isDue || run.isEnded) isNow = true;
    this.#waiter?.wait(sets, isNow ? 0 : Math.max(0, untilMs - nowMs));
    // Names that have been looked up call back in the wait.
    this.#runJobs();
  }

  /** Calls, and then runs the jobs that follow. */
  #call(call: () => unknown): void {
    this.#activity += 1;
    try {
      call();
    } catch (error) {
      this.onUncaught(error, "uncaughtException");
    }
    this.#runJobs();
  }

  #runJobs(): void {
    while (true) {
      runJobs(this.#onError);
      const rejected = takeUnhandled();
      if (rejected.length === 0) return;
      for (const { reason, promise } of rejected) this.onUncaught(reason, "unhandledRejection", promise);
    }
  }

  readonly #onError = (error: unknown): void => this.onUncaught(error, "uncaughtException");
}
