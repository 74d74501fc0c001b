/**
 * Owns noticing that something else has run on the host's event loop: a timer, a promise, another server's callback.
 * Knows Node's async_hooks; knows no turn and no channel.
 *
 * An unreferenced immediate runs in the check phase of the next iteration, but does not keep that iteration from
 * blocking. Node runs timers after the check phase, and would then block before their effects are noticed. So a hook that
 * Node calls before each callback references the immediate: the next iteration does not block, and runs it. Without
 * activity nothing is referenced, and nothing runs.
 *
 * A thread that waits itself, inside of callbacks, needs no immediate: it asks before each wait, and the hook has counted what
 * has run.
 */

import { createHook, executionAsyncResource } from "node:async_hooks";
import { performance } from "node:perf_hooks";
import { callbackObservers } from "../backend/observed.js";
import { timers } from "../backend/unhooked.js";

/** After so many calls without a {@link Activity.reset} in between, the next ones are {@link REST_MS} apart. */
const CALLS_MAX = 64;
/** Limits the cost where the callback itself causes activity (it prints, or starts a promise), or the process is never idle. */
const REST_MS = 4;
/** How often the callback is called where the hook does not see what runs. */
const BLIND_MS = 50;

const watching = new Set<Activity>();
/** Has the hook been called for an immediate? Bun has no such hook, and Deno calls it for promises alone. */
let hookWorks = false;

const hook = createHook({
  before(): void {
    if (!hookWorks) {
      const resource = executionAsyncResource();
      for (const activity of watching) hookWorks ||= activity.isRunBy(resource);
    }
    for (const activity of watching) activity.note();
  },
});

/** Calls back, soon and outside of any other callback, after something else has run. */
export class Activity {
  /** Do its timers keep the process alive? */
  keepsAlive = true;
  readonly #callback: () => void;
  #immediate: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;
  #calls = 0;
  #calledMs = 0;
  #isReset = true;
  #isWatching = false;
  #isCounted = false;
  /** Is {@link isQuiet} called? */
  #isAsked = false;
  /** How many callbacks have run, and how many of them had at the last {@link isQuiet}. */
  #notes = 0;
  #seen = 0;

  constructor(callback: () => void) {
    this.#callback = callback;
  }

  /** The caller itself has run something, which may have started promises: the next {@link watch} always calls back. */
  reset(): void {
    this.#isReset = true;
  }

  /**
   * Calls back once, after something else has run, unless {@link stop} is called before. May be called again.
   * @param isKnown does whoever may wait in callbacks of this thread know of this loop anyway?
   */
  watch(isKnown = false): void {
    this.#start(!isKnown);
    this.#isAsked = false;
    this.#immediate ??= timers.setImmediate(this.#run).unref();
    if (this.#isReset) {
      // Promise reactions run after this, and the hook does not notice an `await` that began before it was enabled.
      this.#isReset = false;
      this.#calls = 0;
      this.#immediate.ref();
    }
    if (!hookWorks) this.#startTimer(BLIND_MS);
  }

  /** In place of {@link watch}, for a thread that waits itself: calls back from {@link isQuiet} alone. */
  observe(): void {
    // Only the main thread of Node does so.
    hookWorks = true;
    this.#start(false);
    this.#isAsked = true;
    timers.clearImmediate(this.#immediate);
    this.#immediate = undefined;
  }

  /**
   * Asks at the beginning of an ordinary callback whether to wait in it. Calls back if anything but the callback has run since
   * the last time, or may have, and it is not too early for that: then not, because the call may have started promises.
   * @param isFirst is it the first since the event loop has been returned to, which may run what no hook sees?
   */
  isQuiet(isFirst: boolean): boolean {
    const hasRun = isFirst || this.#isReset || this.#notes !== this.#seen + 1;
    this.#seen = this.#notes;
    if (this.#isReset) this.#calls = 0;
    this.#isReset = false;
    if (!hasRun) return true;
    if (this.#calls >= CALLS_MAX && performance.now() - this.#calledMs < REST_MS) {
      this.#startTimer(REST_MS);
      return true;
    }
    this.#call();
    return false;
  }

  stop(): void {
    if (!this.#isWatching) return;
    this.#isWatching = false;
    this.#clear();
    watching.delete(this);
    if (this.#isCounted) callbackObservers.count -= 1;
    if (watching.size === 0) hook.disable();
  }

  /** Something is about to run. */
  note(): void {
    this.#notes += 1;
    if (this.#calls < CALLS_MAX) this.#immediate?.ref();
    else this.#rest();
  }

  /** Is `resource`, which is about to run, this object's own immediate? */
  isRunBy(resource: object): boolean {
    return resource === this.#immediate;
  }

  /** Calls back later. Clears the immediate, which would mistake the timer's own iteration for activity. */
  #rest(): void {
    if (this.#immediate === undefined) return;
    timers.clearImmediate(this.#immediate);
    this.#immediate = undefined;
    this.#startTimer(REST_MS);
  }

  #startTimer(delayMs: number): void {
    this.#timer ??= timers.setTimeout(this.#onTimer, delayMs);
    if (!this.keepsAlive) this.#timer.unref();
  }

  #start(isCounted: boolean): void {
    if (this.#isWatching) return;
    this.#isWatching = true;
    this.#isCounted = isCounted;
    watching.add(this);
    if (isCounted) callbackObservers.count += 1;
    if (watching.size === 1) hook.enable();
  }

  readonly #run = (): void => {
    if (this.#calls < CALLS_MAX) this.#call();
    else this.#rest();
  };

  readonly #onTimer = (): void => {
    this.#timer = undefined;
    // Otherwise it has ended the wait, and the next callback asks.
    if (!this.#isAsked) this.#call();
  };

  #call(): void {
    this.#clear();
    this.#calls += 1;
    if (this.#calls >= CALLS_MAX) this.#calledMs = performance.now();
    this.#callback();
  }

  #clear(): void {
    timers.clearImmediate(this.#immediate);
    timers.clearTimeout(this.#timer);
    this.#immediate = undefined;
    this.#timer = undefined;
  }
}
