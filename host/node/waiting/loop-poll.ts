/**
 * Owns the descriptors that Node's own event loop watches (uv_poll), on the main thread of Node. Knows no poll set.
 *
 * If such a handle is open when its environment ends, the process crashes. So all of them are closed on the "exit" event.
 * A worker thread may end without that event: see handle.ts and helper.ts for what is used there.
 */

import type { Libc, LoopPoll } from "../libc.js";
import { POLLIN, POLLOUT } from "../readiness.js";
import type { WatchedDescriptor, Wakeable } from "./watch.js";

const open = new Set<LoopDescriptor>();
let isEnding: boolean | undefined;

/** Runs before other listeners, one of which may throw. */
function closeAtExit(): void {
  if (isEnding !== undefined) return;
  isEnding = false;
  process.prependListener("exit", () => {
    isEnding = true;
    for (const descriptor of open) descriptor.close();
  });
}

/**
 * One descriptor on Node's own loop. The descriptor must be open, be of a kind that can be polled, and have a number that
 * Node does not watch: libuv's refusal would end the process.
 */
export class LoopDescriptor implements WatchedDescriptor {
  readonly #libc: Libc;
  readonly #watch: Wakeable;
  readonly #ownedFd: number;
  readonly #events: { readonly readable: boolean; readonly writable: boolean };
  /** undefined once the process exits. */
  readonly #poll: LoopPoll | undefined;
  #closed = false;

  /**
   * With `owned`, closing this closes `fd`.
   * @throws Error where libuv, or the kernel for it, cannot watch one more descriptor. `fd` is closed then, if it is owned.
   */
  constructor(libc: Libc, watch: Wakeable, fd: number, events: number, owned: boolean) {
    this.#libc = libc;
    this.#watch = watch;
    this.#ownedFd = owned ? fd : -1;
    this.#events = { readable: (events & POLLIN) !== 0, writable: (events & POLLOUT) !== 0 };
    closeAtExit();
    if (isEnding === true) return;
    try {
      this.#poll = libc.pollOnLoop(fd, this.#events, this.#onPoll);
    } catch (error) {
      this.close();
      throw error;
    }
    this.#poll.ref();
    open.add(this);
  }

  rearm(): void {
    if (!this.#closed) this.#poll?.start(this.#events, this.#onPoll);
  }

  setReferenced(on: boolean): void {
    if (this.#closed) return;
    if (on) this.#poll?.ref();
    else this.#poll?.unref();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    open.delete(this);
    this.#poll?.close();
    if (this.#ownedFd >= 0) this.#libc.close(this.#ownedFd);
  }

  /** A negative status: libuv has stopped watching the descriptor, as it does on POLLERR, and must be started again. */
  readonly #onPoll = (status: number): void => {
    if (status < 0) this.#watch.fired(this);
    else this.#watch.wake();
  };
}
