/**
 * Owns the timers of one engine by slot: starts them, cancels them, and calls back those that the engine fires. Knows the
 * engine's calls about timers; knows no channel and no scheduler.
 */

import { LoopError } from "../backend/errors.js";
import { type Context, Contexts } from "./context.js";
import { INSPECT, inspectAs, type Inspect, type InspectOptions } from "../backend/inspect.js";
import type { EngineExports } from "./engine.js";
import { Verdict } from "./engine.js";
import type { Failures } from "./failures.js";
import type { Timer } from "./timer.js";

class RunningTimer implements Timer {
  readonly #timers: Timers;
  readonly callback: () => unknown;
  readonly repeats: boolean;
  /** In the engine; -1 once it has fired for the last time or was cancelled. */
  slot: number;

  constructor(timers: Timers, callback: () => unknown, repeats: boolean, slot: number) {
    this.#timers = timers;
    this.callback = callback;
    this.repeats = repeats;
    this.slot = slot;
  }

  get active(): boolean {
    return this.slot >= 0;
  }

  cancel(): boolean {
    return this.#timers.cancel(this);
  }

  /** For `util.inspect` and `console.log`. @internal */
  [INSPECT](depth: number, options: InspectOptions, inspect: Inspect): string {
    const { active, repeats, callback } = this;
    const read = (): Record<string, unknown> => ({ active, repeats, callback: callback.name || undefined });
    return inspectAs(this, "Timer", read, depth, options, inspect);
  }

  [Symbol.dispose](): void {
    this.cancel();
  }
}

/** Is notified of each change that a waiting loop must know of. */
interface ChangeListener {
  changed(): void;
}

export class Timers {
  readonly #engine: EngineExports;
  readonly #failures: Failures;
  readonly #bySlot: (RunningTimer | undefined)[] = [];
  readonly #listener: ChangeListener;
  /** Where the timers were started, if that is kept. */
  readonly #contexts: Contexts | undefined;

  constructor(engine: EngineExports, failures: Failures, listener: ChangeListener, keepsContexts: boolean) {
    this.#engine = engine;
    this.#failures = failures;
    this.#listener = listener;
    this.#contexts = keepsContexts ? new Contexts() : undefined;
  }

  /**
   * @param context calls back in it, where contexts are kept; by default the one that is current
   * @throws LoopError ERR_ENGINE_MEMORY; nothing has changed then
   */
  start(deadlineMs: number, periodMs: number, callback: () => unknown, context?: Context): Timer {
    const slot = this.#engine.timerAdd(deadlineMs, periodMs);
    if (slot < 0) throw new LoopError("ERR_ENGINE_MEMORY", "the engine has no memory for another timer");
    const timer = new RunningTimer(this, callback, periodMs > 0, slot);
    this.#bySlot[slot] = timer;
    this.#contexts?.keep(slot, context);
    this.#listener.changed();
    return timer;
  }

  cancel(timer: RunningTimer): boolean {
    const { slot } = timer;
    if (slot < 0) return false;
    // The slot is this timer's until it fires for the last time, which `fire` records.
    this.#engine.timerCancel(slot, this.#engine.timerGeneration(slot));
    this.#bySlot[slot] = undefined;
    this.#contexts?.forget(slot);
    timer.slot = -1;
    this.#listener.changed();
    return true;
  }

  /** The name of the function that the timer in this slot calls. */
  nameAt(slot: number): string {
    return this.#bySlot[slot]?.callback.name ?? "";
  }

  /** Where the timer in this slot was started, if that is kept. */
  contextAt(slot: number): Context | undefined {
    return this.#contexts?.at(slot);
  }

  cancelAll(): void {
    for (const timer of this.#bySlot) if (timer !== undefined) this.cancel(timer);
  }

  /** The engine fires the timer in this slot. @returns the verdict */
  fire(slot: number): number {
    const timer = this.#bySlot[slot];
    if (timer === undefined) return Verdict.GO_ON;
    if (!timer.repeats) {
      this.#bySlot[slot] = undefined;
      this.#contexts?.forget(slot);
      timer.slot = -1;
    }
    try {
      // Called without a `this`: the timer is internal.
      const { callback } = timer;
      const result: unknown = callback();
      if (result !== undefined) this.#failures.followPromise(result, (error) => this.#failures.escape(error));
      // A channel's callback may have been called for a timer of its layer.
      return this.#failures.isEscaping ? Verdict.STOP : Verdict.GO_ON;
    } catch (error) {
      return this.#failures.escape(error);
    }
  }
}
