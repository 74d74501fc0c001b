/**
 * Owns the outcome of one connect, for those who wait for it. Knows no channel.
 *
 * The channel is notified of a failure by `handleError`, whether or not anybody waits. So the promise is made only when it
 * is asked for, its rejection is never "unhandled", and a callback that returns an opening has not failed.
 */

import type { Timer } from "./timer.js";

/** A connect under way, or its outcome. `await` waits for it. */
export class Opening implements PromiseLike<void> {
  /** The time limit; cancelled with the outcome. */
  timer: Timer | undefined;
  /** Is a connect under way, or over? It may be waited for before that. */
  hasBegun = false;
  /** Called once, with the outcome: stops what is still under way. */
  stop: (() => void) | undefined;
  #outcome: "pending" | "open" | { readonly error: unknown } = "pending";
  #promise: Promise<void> | undefined;
  #resolve: (() => void) | undefined;
  #reject: ((error: unknown) => void) | undefined;

  get isPending(): boolean {
    return this.#outcome === "pending";
  }

  /** Resolves when the connection is there; rejects with the error if it fails. */
  get promise(): Promise<void> {
    if (this.#promise !== undefined) return this.#promise;
    const outcome = this.#outcome;
    this.#promise = new Promise((resolve, reject) => {
      if (outcome === "open") resolve();
      else if (outcome !== "pending") reject(outcome.error);
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#promise.catch(() => undefined);
    return this.#promise;
  }

  // oxlint-disable-next-line unicorn/no-thenable -- It is what `await channel.connect(...)` calls.
  then<T = void, E = never>(
    onOpen?: ((value: void) => T | PromiseLike<T>) | null,
    onFailure?: ((error: unknown) => E | PromiseLike<E>) | null,
  ): Promise<T | E> {
    return this.promise.then(onOpen, onFailure);
  }

  /** The connection is there. */
  open(): void {
    if (!this.#settle("open")) return;
    this.#resolve?.();
  }

  /** It has failed. */
  fail(error: unknown): void {
    if (!this.#settle({ error })) return;
    this.#reject?.(error);
  }

  #settle(outcome: "open" | { readonly error: unknown }): boolean {
    if (!this.isPending) return false;
    this.#outcome = outcome;
    const { timer, stop } = this;
    this.timer = undefined;
    this.stop = undefined;
    timer?.cancel();
    stop?.();
    return true;
  }
}
