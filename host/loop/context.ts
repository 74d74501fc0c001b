/**
 * Owns the contexts of `AsyncLocalStorage` in which the channels or the timers of one map were made, by slot. Knows Node's
 * async_hooks; knows no channel and no timer.
 *
 * There is one only for a map that was asked to keep contexts, which are not free, and Node has no public call that says
 * whether a store is active. On Node 20 an AsyncResource takes a context in a hundredth of the time of
 * `AsyncLocalStorage.snapshot()`, which makes one and binds a function to it.
 */

import { AsyncResource } from "node:async_hooks";

const TYPE = "WASYNCORE";

/** A context that was current when this was made. */
export type Context = AsyncResource;

export class Contexts {
  readonly #bySlot: (Context | undefined)[] = [];

  /** What is in this slot is called in this context, by default the one that is current. */
  keep(slot: number, context: Context = new AsyncResource(TYPE)): void {
    this.#bySlot[slot] = context;
  }

  forget(slot: number): void {
    this.#bySlot[slot] = undefined;
  }

  at(slot: number): Context | undefined {
    return this.#bySlot[slot];
  }
}

/** Calls `call` in a context, if there is one. */
export function callIn<A extends unknown[], R>(context: Context | undefined, call: (...args: A) => R, ...args: A): R {
  return context === undefined ? call(...args) : context.runInAsyncScope(call, undefined, ...args);
}
