/**
 * Owns a running watch of a poll set: calls back from a setImmediate, and rearms the descriptors that woke it once
 * `onReady` has dealt with them. Knows neither epoll nor poll, and nothing of how a descriptor is waited for.
 *
 * It may be woken by native code without a callback scope, after which promise reactions and process.nextTick would not
 * run and nothing would catch an exception. So waking only schedules an immediate, an ordinary callback that Node runs in
 * the same iteration of its loop, right after the poll phase.
 */

import type { Watch } from "../../backend/backend.js";
import { timers } from "../../backend/unhooked.js";

/** A descriptor that a thread's event loop waits for, and which keeps that event loop alive. */
export interface WatchedDescriptor {
  /** Waits for it again after {@link LoopWatch.fired}. */
  rearm(): void;
  /** Does it keep that event loop alive? At first it does. */
  setReferenced(on: boolean): void;
  close(): void;
}

/** What a {@link WatchedDescriptor} notifies. */
export interface Wakeable {
  /** The descriptor is ready, and still waited for. */
  wake(): void;
  /** The descriptor is ready, and no longer waited for until it is rearmed. */
  fired(descriptor: WatchedDescriptor): void;
}

/** Schedules at most one immediate, however many descriptors are ready. */
export class LoopWatch implements Watch, Wakeable {
  isReferenced = true;
  /** Set by the descriptor that is waited for. */
  waitsItself: boolean | undefined;
  mayWait: ((isFirst: boolean) => boolean) | undefined;
  readonly #onReady: () => void;
  readonly #isBusy: () => boolean;
  readonly #onStop: () => void;
  readonly #onReference: (on: boolean) => void;
  readonly #fired = new Set<WatchedDescriptor>();
  #immediate: NodeJS.Immediate | undefined;
  #stopped = false;

  /**
   * While `isBusy` returns true, `onReady` is called in every iteration of the loop. `onStop` is called once,
   * `onReference` when {@link isReferenced} changes.
   */
  constructor(onReady: () => void, isBusy: () => boolean, onStop: () => void, onReference: (on: boolean) => void) {
    this.#onReady = onReady;
    this.#isBusy = isBusy;
    this.#onStop = onStop;
    this.#onReference = onReference;
  }

  /** Calls `onReady` soon. */
  wake(): void {
    if (!this.#stopped) this.#immediate ??= timers.setImmediate(this.#run);
  }

  /** `descriptor` is ready and no longer waited for: it is rearmed after `onReady`. */
  fired(descriptor: WatchedDescriptor): void {
    this.#fired.add(descriptor);
    this.wake();
  }

  setReferenced(on: boolean): void {
    if (this.#stopped || on === this.isReferenced) return;
    this.isReferenced = on;
    this.#onReference(on);
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    timers.clearImmediate(this.#immediate);
    this.#immediate = undefined;
    this.#fired.clear();
    this.#onStop();
  }

  /** Calls `onReady` now; the caller is an ordinary callback of the event loop. */
  run(): void {
    if (this.#stopped) return;
    if (this.#immediate !== undefined) timers.clearImmediate(this.#immediate);
    this.#run();
  }

  readonly #run = (): void => {
    this.#immediate = undefined;
    try {
      this.#onReady();
    } finally {
      if (this.#fired.size > 0) this.#rearm();
      if (this.#isBusy()) this.wake();
    }
  };

  #rearm(): void {
    for (const descriptor of this.#fired) descriptor.rearm();
    this.#fired.clear();
  }
}
