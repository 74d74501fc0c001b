/**
 * Owns waiting for one descriptor: what a call does that must not answer EAGAIN, and how a call that must not wait
 * finds out whether it would. Knows the backend seam; knows no guest.
 */

import { ReadyRow, type Backend, type PollSet } from "../backend/backend.js";
import { OSError } from "../backend/errors.js";
import type { CallWatcher } from "./calls/context.js";

/** What {@link Waiting.wait} found. */
export interface Waited {
  /** 0, or -errno: it could not be waited for. */
  readonly failed: number;
  /** Does it not block any more? Always so after a wait without end. */
  readonly ready: boolean;
  /** The socket's pending error as -errno, taken from it; 0 where there is none. */
  readonly pendingError: number;
}

export class Waiting {
  readonly #backend: Backend;
  readonly #watcher: CallWatcher;
  #set: PollSet | undefined;

  constructor(backend: Backend, watcher: CallWatcher) {
    this.#backend = backend;
    this.#watcher = watcher;
  }

  /** Waits until `fd` is ready for `interest` (bits of `Ready`); does not wait, but looks, with `timeoutMs` 0. */
  wait(fd: number, interest: number, timeoutMs: number): Waited {
    const set = this.#pollSet();
    if (typeof set === "number") return { failed: set, ready: false, pendingError: 0 };
    const failed = set.update(fd, interest);
    if (failed < 0) return { failed, ready: false, pendingError: 0 };
    if (timeoutMs > 0) this.#watcher.waits?.();
    try {
      while (true) {
        const count = set.wait(timeoutMs);
        if (count < 0) return { failed: count, ready: false, pendingError: 0 };
        if (count > 0) return { failed: 0, ready: true, pendingError: set.ready[ReadyRow.ERROR] ?? 0 };
        // A signal ends a wait as well.
        if (timeoutMs === 0) return { failed: 0, ready: false, pendingError: 0 };
      }
    } finally {
      set.update(fd, 0);
    }
  }

  /** Made when it is needed first: most guests wait in poll_oneoff alone. -errno where there is no descriptor left. */
  #pollSet(): PollSet | number {
    try {
      this.#set ??= this.#backend.createPollSet();
      return this.#set;
    } catch (error) {
      if (error instanceof OSError) return error.errno;
      throw error;
    }
  }

  close(): void {
    this.#set?.close();
    this.#set = undefined;
  }
}
