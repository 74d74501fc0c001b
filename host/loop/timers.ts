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

/** The id of a slot without a timer. */
const NONE = 0;

/** What a program has of a timer. Nothing else refers to it: one that the program does not keep is garbage while its timer runs. */
class TimerHandle implements Timer {
  readonly #timers: Timers;
  readonly #slot: number;
  readonly #id: number;

  constructor(timers: Timers, slot: number, id: number) {
    this.#timers = timers;
    this.#slot = slot;
    this.#id = id;
  }

  get active(): boolean {
    return this.#timers.isRunning(this.#slot, this.#id);
  }

  cancel(): boolean {
    return this.#timers.cancel(this.#slot, this.#id);
  }

  /** For `util.inspect` and `console.log`. @internal */
  [INSPECT](depth: number, options: InspectOptions, inspect: Inspect): string {
    const { active } = this;
    const callback = active ? this.#timers.nameAt(this.#slot) || undefined : undefined;
    const read = (): Record<string, unknown> => ({ active, repeats: repeats(this.#id), callback });
    return inspectAs(this, "Timer", read, depth, options, inspect);
  }

  [Symbol.dispose](): void {
    this.cancel();
  }
}

function repeats(id: number): boolean {
  return id < NONE;
}

/** Is notified of each change that a waiting loop must know of. */
interface ChangeListener {
  changed(): void;
}

export class Timers {
  readonly #engine: EngineExports;
  readonly #failures: Failures;
  /** By slot: what the timer calls. */
  readonly #callbacks: ((() => unknown) | undefined)[] = [];
  /**
   * By slot: which timer it is of. Timers are numbered as they start, and no number is used again, so that a handle stands
   * for its own timer alone, however often the slot has had others since. Less than 0 if it repeats; or {@link NONE}.
   */
  readonly #ids: number[] = [];
  #started = 0;
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
    this.#started += 1;
    const id = periodMs > 0 ? -this.#started : this.#started;
    this.#callbacks[slot] = callback;
    this.#ids[slot] = id;
    this.#contexts?.keep(slot, context);
    this.#listener.changed();
    return new TimerHandle(this, slot, id);
  }

  /** Is this timer, which had this slot, still to fire? */
  isRunning(slot: number, id: number): boolean {
    return this.#ids[slot] === id;
  }

  cancel(slot: number, id: number): boolean {
    if (!this.isRunning(slot, id)) return false;
    // The slot is this timer's until it fires for the last time, which `fire` records.
    this.#engine.timerCancel(slot, this.#engine.timerGeneration(slot));
    this.#forget(slot);
    this.#listener.changed();
    return true;
  }

  /** The name of the function that the timer in this slot calls. */
  nameAt(slot: number): string {
    return this.#callbacks[slot]?.name ?? "";
  }

  /** Where the timer in this slot was started, if that is kept. */
  contextAt(slot: number): Context | undefined {
    return this.#contexts?.at(slot);
  }

  cancelAll(): void {
    for (const [slot, id] of this.#ids.entries()) if (id !== NONE) this.cancel(slot, id);
  }

  /** The engine fires the timer in this slot. @returns the verdict */
  fire(slot: number): number {
    const callback = this.#callbacks[slot];
    if (callback === undefined) return Verdict.GO_ON;
    if (!repeats(this.#ids[slot] ?? NONE)) this.#forget(slot);
    try {
      const result: unknown = callback();
      if (result !== undefined) this.#failures.followPromise(result, (error) => this.#failures.escape(error));
      // A channel's callback may have been called for a timer of its layer.
      return this.#failures.isEscaping ? Verdict.STOP : Verdict.GO_ON;
    } catch (error) {
      return this.#failures.escape(error);
    }
  }

  #forget(slot: number): void {
    this.#callbacks[slot] = undefined;
    this.#ids[slot] = NONE;
    this.#contexts?.forget(slot);
  }
}
