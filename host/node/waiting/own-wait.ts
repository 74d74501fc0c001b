/**
 * Owns waiting for an epoll set and for Node's event loop at once: the epoll set of the event loop is put into ours, and
 * an alarm for its timers, and this thread blocks in our epoll_wait(2), inside a callback of the event loop, until one of
 * them is ready. So a message costs no way back into the event loop. Knows no turn.
 *
 * ```
 *   Node's event loop ─▶ step ─▶ step ─▶ ... ─▶ Node's event loop, one iteration, which does not block ─▶ step ...
 *                         │
 *                         └─ how long may the event loop wait? ─▶ alarm ─▶ epoll_wait ─▶ call back if our set is ready
 * ```
 *
 * A step is an ordinary setImmediate callback, so Node runs process.nextTick callbacks and promise reactions after each.
 * Who takes the turns is asked first whether to wait in it: not in one in which interest was sampled.
 * Some steps are queued at a time. The thread returns to the event loop after the last of them, and at once where the
 * event loop has something ready, has something to do at once, or has to add a descriptor to its set. All steps but the
 * first are unreferenced: they do not keep the event loop from waiting, so that what it would wait is known.
 *
 * The event loop waits instead (uv_poll), as it does elsewhere, while more than one set is watched, while callbacks of
 * this thread are observed, while the watch does not keep the event loop alive, where no descriptor is left for an alarm,
 * and for a time where it is the event loop that has nearly always something ready. Where it has no room for the set, the
 * set is polled at times until one of the two can wait for it: an error would end a loop because of what another one does.
 */

import { AsyncResource } from "node:async_hooks";
import { callbackObservers } from "../../backend/observed.js";
import type { EmbeddedLoop, Libc } from "../libc.js";
import { POLLIN } from "../readiness.js";
import { LoopDescriptor } from "./loop-poll.js";
import type { LoopWatch, Wakeable, WatchedDescriptor } from "./watch.js";
import { timers } from "../../backend/unhooked.js";

/** Bits of what {@link OwnSet.waitAhead} found. */
export const Found = { OWN: 1, HOST: 2, ALARM: 4 } as const;

/** An epoll set, for an {@link OwnWait}. */
export interface OwnSet {
  /** Puts the epoll set of the event loop into this one. @returns whether that was possible, and there is an alarm */
  join(hostFd: number): boolean;
  /** Takes it out again, and cancels the alarm. */
  leave(): void;
  /** Has an alarm end waits at `atMs` of CLOCK_MONOTONIC, or earlier. */
  ringBy(atMs: number): void;
  /** Waits, and keeps what was found for the next wait of a turn. @returns bits of {@link Found} */
  waitAhead(timeoutMs: number): number;
  /** Drops what was kept. */
  dropAhead(): void;
}

/** How many steps are queued at most. Bounds how many turns what the event loop does between its iterations may wait. */
const STEPS_MAX = 64;
/** How many at least: in the first of them, interest is sampled where it has to be, and then the second one waits. */
const STEPS_MIN = 2;
/** After so many waits in a row that found only the event loop ready, it waits itself, ... */
const FOREIGN_WAITS_MAX = 16;
/** ... until our set was ready so many times. Joining the sets costs O(descriptors of the event loop). */
const FOREIGN_WAKES = 64;
/** How often a set is polled that nothing can wait for, and given to the event loop again. */
const RETRY_MS = 10;
/** An event loop with nothing to wait for says that it is not to wait. */
const KEEP_ALIVE_MS = 0x7fffffff;

/** Kept with the process: a second copy of the package in it waits for the same event loop. */
const WATCHING = Symbol.for("wasyncore.ownWait");
const keeper = process as NodeJS.Process & { [WATCHING]?: Set<object> };
const watching = (keeper[WATCHING] ??= new Set());

function ignore(): void {}

export class OwnWait implements WatchedDescriptor, Wakeable {
  readonly #libc: Libc;
  readonly #loop: EmbeddedLoop;
  readonly #watch: LoopWatch;
  readonly #set: OwnSet;
  readonly #epollFd: number;
  /** What the event loop said last of how long it would wait: its first timer is due no earlier while it says the same. */
  #timeoutMs = -1;
  /** A callback may have entered a context of its own (AsyncLocalStorage, domains), which is not that of the next ones. */
  readonly #context = new AsyncResource("WASYNCORE_WAIT");
  readonly #keepAlive = timers.setInterval(ignore, KEEP_ALIVE_MS);
  /** The steps that were queued last, and which of them comes next. */
  readonly #steps: NodeJS.Immediate[] = [];
  #next = 0;
  #size = STEPS_MIN;
  #foreignWaits = 0;
  /** Set while the event loop waits for the set. */
  #hosted: LoopDescriptor | undefined;
  #hostedWakesLeft = 0;
  /** Set while nothing waits for the set. {@link #keepAlive} keeps the event loop alive, if anything does. */
  #retryTimer: NodeJS.Timeout | undefined;
  #isReferenced = true;
  #closed = false;

  /** @throws Error where the event loop has to wait, and libuv cannot watch one more descriptor */
  constructor(libc: Libc, loop: EmbeddedLoop, watch: LoopWatch, set: OwnSet, epollFd: number) {
    this.#libc = libc;
    this.#loop = loop;
    this.#watch = watch;
    this.#set = set;
    this.#epollFd = epollFd;
    watching.add(this);
    try {
      if (!this.#isAllowed()) this.#host(0);
      else if (this.#join()) this.#queue();
      else this.#host(Infinity);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Nothing to do: neither epoll nor uv_poll stops waiting, except for an error. */
  rearm(): void {}

  /** An event loop that this does not keep alive has to wait itself: only it knows when it is to end. */
  setReferenced(on: boolean): void {
    if (this.#closed || on === this.#isReferenced) return;
    this.#isReferenced = on;
    if (on) this.#keepAlive.ref();
    else this.#keepAlive.unref();
    if (this.#hosted !== undefined) this.#hosted.setReferenced(on);
    else if (this.#retryTimer === undefined) this.#handOver(0);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    watching.delete(this);
    timers.clearInterval(this.#keepAlive);
    timers.clearTimeout(this.#retryTimer);
    this.#clear();
    if (this.#hosted === undefined) this.#set.leave();
    else this.#hosted.close();
  }

  /** For {@link LoopDescriptor}: the event loop has found the set ready. */
  wake(): void {
    if (!this.#closed && this.#next === this.#steps.length) this.#queueSteps();
  }

  /** For {@link LoopDescriptor}. */
  fired(descriptor: WatchedDescriptor): void {
    descriptor.rearm();
    this.wake();
  }

  /** The callback of the watch may have done so. */
  get #isHandedOver(): boolean {
    return this.#closed || this.#hosted !== undefined || this.#retryTimer !== undefined;
  }

  #isAllowed(): boolean {
    return watching.size === 1 && callbackObservers.count === 0 && this.#isReferenced;
  }

  /** Queues steps, in the context in which this was made. */
  #queue(): void {
    this.#context.runInAsyncScope(this.#queueSteps, this);
  }

  /** Queues steps for the next iteration of the event loop, which does not block. */
  #queueSteps(): void {
    const steps = this.#steps;
    const size = this.#hosted === undefined ? this.#size : 1;
    steps.length = 0;
    this.#next = 0;
    steps.push(timers.setImmediate(this.#step));
    while (steps.length < size) steps.push(timers.setImmediate(this.#step).unref());
  }

  #clear(): void {
    const steps = this.#steps;
    while (this.#next < steps.length) timers.clearImmediate(steps[this.#next++]);
  }

  readonly #step = (): void => {
    this.#next += 1;
    if (this.#hosted !== undefined) this.#stepHosted();
    else if (!this.#isAllowed()) this.#stepOver(0);
    else if (this.#watch.mayWait?.(this.#next === 1) !== false) this.#stepOwn();
    else if (!this.#isHandedOver) this.#stepAgain();
  };

  /** The next step follows, and after the last of them come others. */
  #stepAgain(): void {
    if (this.#next < this.#steps.length) return;
    this.#size = Math.min(STEPS_MAX, this.#size * 2);
    this.#queue();
  }

  #stepOwn(): void {
    if (this.#isHandedOver) return;
    const loop = this.#loop;
    const timeoutMs = loop.timeoutMs() || this.#timeoutAlone();
    if (timeoutMs !== this.#timeoutMs) this.#setAlarm(timeoutMs);
    const found = this.#set.waitAhead(timeoutMs === 0 ? 0 : Infinity);
    // It rings no more.
    if ((found & Found.ALARM) !== 0) this.#timeoutMs = -1;
    // As libuv after its own wait: a timer of libuv that is started now must not count from before the wait.
    if (timeoutMs !== 0) loop.updateTime();
    try {
      if ((found & Found.OWN) !== 0) this.#watch.run();
    } finally {
      this.#set.dropAhead();
      if (!this.#isHandedOver) this.#afterOwn(found, timeoutMs === 0);
    }
  }

  /** Ends the wait when the event loop has a timer to run. */
  #setAlarm(timeoutMs: number): void {
    this.#timeoutMs = timeoutMs;
    if (timeoutMs > 0) this.#set.ringBy(this.#loop.nowMs() + timeoutMs);
  }

  /**
   * How long the event loop would wait, if it says 0. A referenced immediate keeps it from waiting until all immediates of
   * this iteration have run, unless another one comes and goes: then it waits if no referenced one is left.
   */
  #timeoutAlone(): number {
    timers.clearImmediate(timers.setImmediate(ignore));
    return this.#loop.timeoutMs();
  }

  #afterOwn(found: number, isHostBusy: boolean): void {
    this.#foreignWaits = found === Found.HOST ? this.#foreignWaits + 1 : 0;
    if (this.#foreignWaits > FOREIGN_WAITS_MAX) this.#stepOver(FOREIGN_WAKES);
    else if (isHostBusy || (found & (Found.HOST | Found.ALARM)) !== 0) {
      this.#clear();
      this.#size = Math.max(STEPS_MIN, this.#size >> 1);
      this.#queue();
    } else {
      this.#stepAgain();
    }
  }

  /** Hands over from a step. */
  #stepOver(wakes: number): void {
    this.#handOver(wakes);
    this.#watch.mayWait?.(false);
  }

  #stepHosted(): void {
    this.#hostedWakesLeft -= 1;
    try {
      this.#watch.run();
    } finally {
      if (!this.#closed && this.#hostedWakesLeft <= 0 && this.#isAllowed()) this.#own();
    }
  }

  /** Leaves the wait to the event loop; where that has no room for the set, tries again after a time. */
  #handOver(wakes: number): void {
    try {
      this.#host(wakes);
    } catch {
      this.#retryTimer = timers.setTimeout(this.#retry, RETRY_MS).unref();
    }
  }

  readonly #retry = (): void => {
    this.#retryTimer = undefined;
    try {
      if ((this.#set.waitAhead(0) & Found.OWN) !== 0) this.#watch.run();
    } finally {
      this.#set.dropAhead();
      if (!this.#isHandedOver) {
        if (this.#isAllowed()) this.#own();
        else this.#handOver(0);
      }
    }
  };

  /**
   * Leaves the wait to the event loop.
   * @throws Error where libuv has no room for the set
   */
  #host(wakes: number): void {
    this.#clear();
    this.#set.leave();
    this.#foreignWaits = 0;
    this.#hostedWakesLeft = wakes;
    this.#watch.waitsItself = false;
    this.#hosted = new LoopDescriptor(this.#libc, this, this.#epollFd, POLLIN, false);
    this.#hosted.setReferenced(this.#isReferenced);
  }

  #join(): boolean {
    this.#watch.waitsItself = this.#set.join(this.#loop.backendFd);
    return this.#watch.waitsItself;
  }

  /** Takes the wait over from the event loop. */
  #own(): void {
    this.#hosted?.close();
    this.#hosted = undefined;
    if (this.#join()) this.#queue();
    else this.#handOver(Infinity);
  }
}
