/**
 * Owns a running watch of a poll set: calls back from a setImmediate, and rearms the descriptors that woke it once
 * `onReady` has dealt with them. Knows neither epoll nor poll, and nothing of how a descriptor is waited for.
 *
 * What wakes it may be native code without a callback scope: promise reactions and process.nextTick would not run after
 * it, and no code would catch an exception. So it only schedules an immediate, which Node runs in the same
 * iteration of its loop, right after the poll phase, and which is an ordinary callback.
 */

import type { Watch } from "../../backend/backend.js";

/** A descriptor that a thread's event loop waits for, and which keeps that event loop alive. */
export interface WatchedDescriptor {
  /** Waits for it again after {@link LoopWatch.fired}. */
  rearm(): void;
  close(): void;
}

/** At most one immediate is scheduled, however many descriptors are ready. */
export class LoopWatch implements Watch {
  readonly #onReady: () => void;
  readonly #isBusy: () => boolean;
  readonly #onStop: () => void;
  readonly #fired = new Set<WatchedDescriptor>();
  #immediate: NodeJS.Immediate | undefined;
  #stopped = false;

  /** While `isBusy` says so, `onReady` is called in every iteration of the loop. `onStop` is called once. */
  constructor(onReady: () => void, isBusy: () => boolean, onStop: () => void) {
    this.#onReady = onReady;
    this.#isBusy = isBusy;
    this.#onStop = onStop;
  }

  /** Calls `onReady` soon. */
  wake(): void {
    if (!this.#stopped) this.#immediate ??= setImmediate(this.#run);
  }

  /** `descriptor` is ready and not waited for any more: it is rearmed after `onReady`. */
  fired(descriptor: WatchedDescriptor): void {
    this.#fired.add(descriptor);
    this.wake();
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    clearImmediate(this.#immediate);
    this.#immediate = undefined;
    this.#fired.clear();
    this.#onStop();
  }

  readonly #run = (): void => {
    this.#immediate = undefined;
    try {
      this.#onReady();
    } finally {
      for (const descriptor of this.#fired) descriptor.rearm();
      this.#fired.clear();
      if (this.#isBusy()) this.wake();
    }
  };
}
