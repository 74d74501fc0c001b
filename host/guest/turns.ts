/**
 * Owns having a guest take turns on the host's event loop: between them the host waits for what the guest has subscribed
 * to, and for its next deadline. Knows the guest and its poll_oneoff; knows no descriptor.
 */

import type { Watch } from "../backend/backend.js";
import type { Guest } from "./instance.js";
import type { PollOneoff } from "../wasi/poll-oneoff.js";
import { WAKE_MS } from "../loop/wake.js";

/** Of the clock that a guest counts with. Its poll_oneoff does not wait, so the guest may as well ask for ever. */
const FOREVER_NS = (1n << 63n) - 1n;
/** The longest that Node's timers take. */
const TIMER_MS_MAX = 0x7fffffff;

export class GuestTurns {
  readonly #guest: Guest;
  readonly #poller: PollOneoff;
  readonly #signal: AbortSignal | undefined;
  #watch: Watch | undefined;
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  #settle: { resolve: (exitCode: number) => void; reject: (error: unknown) => void } | undefined;

  /** @param poller whose `waits` is false */
  constructor(guest: Guest, poller: PollOneoff, signal: AbortSignal | undefined) {
    this.#guest = guest;
    this.#poller = poller;
    this.#signal = signal;
  }

  /** Has the signal been aborted in a turn? */
  get #isOver(): boolean {
    return this.#settle === undefined;
  }

  /** @returns the guest's exit status; 0 when it has nothing left to wait for, or the signal is aborted. */
  run(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
      if (this.#signal?.aborted === true) return this.#end(0);
      this.#signal?.addEventListener("abort", this.#abort);
      this.#wake();
    });
  }

  readonly #wake = (): void => {
    if (this.#isOver) return;
    clearImmediate(this.#immediate);
    clearTimeout(this.#timer);
    try {
      const waitMs = this.#turns();
      if (this.#isOver) return;
      // One that has ended has nothing pending either.
      if (this.#guest.pending() === 0) return this.#end(this.#guest.exitCode ?? 0);
      this.#wait(waitMs);
    } catch (error) {
      this.#end(error instanceof Error ? error : new Error(String(error)));
    }
  };

  /** As long as a turn finds something, the next may as well. @returns how long there is to wait after the last. */
  #turns(): number {
    const endMs = performance.now() + WAKE_MS;
    do {
      if (this.#guest.turn(FOREVER_NS) <= 0) return this.#poller.wantedMs;
    } while (performance.now() < endMs);
    return 0;
  }

  #wait(waitMs: number): void {
    this.#watch ??= this.#poller.pollSet.watch(this.#wake);
    if (waitMs > 0) this.#timer = setTimeout(this.#wake, Math.min(Math.ceil(waitMs), TIMER_MS_MAX));
    else this.#immediate = setImmediate(this.#wake);
  }

  readonly #abort = (): void => this.#end(0);

  #end(result: number | Error): void {
    const settle = this.#settle;
    if (settle === undefined) return;
    this.#settle = undefined;
    this.#signal?.removeEventListener("abort", this.#abort);
    this.#watch?.stop();
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
    if (typeof result === "number") settle.resolve(result);
    else settle.reject(result);
  }
}
