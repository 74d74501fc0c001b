/**
 * Owns noticing that something else has run on the host's event loop: a timer, a promise, another server's callback.
 * Knows Node's async_hooks; knows no turn and no channel.
 *
 * An unreferenced immediate runs in the check phase of the next iteration, but does not keep that iteration from
 * blocking. Node runs timers after the check phase, and would then block before their effects are noticed. So a hook that
 * Node calls before each callback references the immediate: the next iteration does not block, and runs it. Without
 * activity nothing is referenced, and nothing runs.
 */

import { createHook, executionAsyncResource } from "node:async_hooks";
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
  #isReset = true;
  #isWatching = false;

  constructor(callback: () => void) {
    this.#callback = callback;
  }

  /** The caller itself has run something, which may have started promises: the next {@link watch} always calls back. */
  reset(): void {
    this.#isReset = true;
  }

  /** Calls back once, after something else has run, unless {@link stop} is called before. May be called again. */
  watch(): void {
    if (!this.#isWatching) {
      this.#isWatching = true;
      watching.add(this);
      callbackObservers.count += 1;
      if (watching.size === 1) hook.enable();
    }
    this.#immediate ??= timers.setImmediate(this.#run).unref();
    if (this.#isReset) {
      // Promise reactions run after this, and the hook does not notice an `await` that began before it was enabled.
      this.#isReset = false;
      this.#calls = 0;
      this.#immediate.ref();
    }
    if (!hookWorks) this.#startTimer(BLIND_MS);
  }

  stop(): void {
    if (!this.#isWatching) return;
    this.#isWatching = false;
    this.#clear();
    watching.delete(this);
    callbackObservers.count -= 1;
    if (watching.size === 0) hook.disable();
  }

  /** Something is about to run. */
  note(): void {
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
    this.#timer ??= timers.setTimeout(this.#call, delayMs);
    if (!this.keepsAlive) this.#timer.unref();
  }

  readonly #run = (): void => {
    if (this.#calls < CALLS_MAX) this.#call();
    else this.#rest();
  };

  readonly #call = (): void => {
    this.#clear();
    this.#calls += 1;
    this.#callback();
  };

  #clear(): void {
    timers.clearImmediate(this.#immediate);
    timers.clearTimeout(this.#timer);
    this.#immediate = undefined;
    this.#timer = undefined;
  }
}
