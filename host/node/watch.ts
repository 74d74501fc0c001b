/**
 * Owns waiting on Node's own loop: watches descriptors there and calls back from a setImmediate. Knows neither epoll
 * nor poll, and reads no readiness.
 *
 * libuv's callback comes from native code without a callback scope: promise reactions and process.nextTick would not
 * run after it, and an exception would have nobody to catch it. So it only schedules an immediate, which Node runs in
 * the same iteration of its loop, right after the poll phase, and which is an ordinary callback.
 */

import type { Watch } from "../backend/backend.js";
import type { Libc, LoopPoll } from "./libc.js";
import { POLLIN, POLLOUT } from "./readiness.js";

/** A running watch: at most one immediate is scheduled, however many descriptors are ready. */
export class LoopWatch implements Watch {
  readonly #onReady: () => void;
  readonly #isBusy: () => boolean;
  readonly #onStop: () => void;
  readonly #stalled = new Set<LoopDescriptor>();
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

  /** libuv gave `descriptor` up: it is to be started again after `onReady` has dealt with it. */
  restartLater(descriptor: LoopDescriptor): void {
    this.#stalled.add(descriptor);
    this.wake();
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    clearImmediate(this.#immediate);
    this.#immediate = undefined;
    this.#stalled.clear();
    this.#onStop();
  }

  readonly #run = (): void => {
    this.#immediate = undefined;
    try {
      this.#onReady();
    } finally {
      for (const descriptor of this.#stalled) descriptor.start();
      this.#stalled.clear();
      if (this.#isBusy()) this.wake();
    }
  };
}

/**
 * One descriptor on Node's own loop, keeping that loop alive. The descriptor must be open, be of a kind that can be
 * polled, and stand under a number that Node does not watch: libuv's refusal would end the process.
 */
export class LoopDescriptor {
  readonly #libc: Libc;
  readonly #watch: LoopWatch;
  readonly #ownedFd: number;
  readonly #events: { readonly readable: boolean; readonly writable: boolean };
  readonly #poll: LoopPoll;
  #closed = false;

  /** With `owned`, closing this closes `fd`. */
  constructor(libc: Libc, watch: LoopWatch, fd: number, events: number, owned = false) {
    this.#libc = libc;
    this.#watch = watch;
    this.#ownedFd = owned ? fd : -1;
    this.#events = { readable: (events & POLLIN) !== 0, writable: (events & POLLOUT) !== 0 };
    this.#poll = libc.pollOnLoop(fd, this.#events, this.#onPoll);
    this.#poll.ref();
  }

  start(): void {
    if (!this.#closed) this.#poll.start(this.#events, this.#onPoll);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#poll.close();
    if (this.#ownedFd >= 0) this.#libc.close(this.#ownedFd);
  }

  readonly #onPoll = (status: number): void => {
    if (status < 0) this.#watch.restartLater(this);
    else this.#watch.wake();
  };
}
