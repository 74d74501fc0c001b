/**
 * Owns noticing that something else has run on the host's event loop: a timer, a promise, another server's callback.
 * Knows Node's async_hooks; knows no turn and no channel.
 *
 * An immediate that is not referenced runs in the check phase of an iteration that comes anyway, and forces none. Node
 * runs timers after that phase, and would then block with their effects unseen. So a hook that Node calls before each
 * callback references the immediate: the next iteration does not block, and reaches it. Without activity nothing is
 * referenced, and nothing runs.
 */

import { createHook, executionAsyncResource } from "node:async_hooks";

/** After so many calls without a {@link Activity.reset} in between, the next ones are {@link REST_MS} apart. */
const CALLS_MAX = 64;
/** Bounds the cost where the callback itself causes activity (it prints, or starts a promise), or a process never rests. */
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
  readonly #callback: () => void;
  #immediate: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;
  #calls = 0;
  #isReset = true;

  constructor(callback: () => void) {
    this.#callback = callback;
  }

  /** The caller itself has run something, which may have promises: the next {@link watch} calls back in any case. */
  reset(): void {
    this.#isReset = true;
  }

  /** Calls back once, when something has run from now on. Has an effect until {@link stop}; may be called again. */
  watch(): void {
    if (!watching.has(this)) {
      watching.add(this);
      if (watching.size === 1) hook.enable();
    }
    this.#immediate ??= setImmediate(this.#run).unref();
    if (this.#isReset) {
      // Reactions to promises run after this, and the hook does not see an `await` that began before it was enabled.
      this.#isReset = false;
      this.#calls = 0;
      this.#immediate.ref();
    }
    if (!hookWorks) this.#timer ??= setTimeout(this.#call, BLIND_MS);
  }

  stop(): void {
    this.#clear();
    if (watching.delete(this) && watching.size === 0) hook.disable();
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

  /** Calls back later. The immediate goes: it would take the timer's own iteration for activity. */
  #rest(): void {
    if (this.#immediate === undefined) return;
    clearImmediate(this.#immediate);
    this.#immediate = undefined;
    this.#timer ??= setTimeout(this.#call, REST_MS);
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
    clearImmediate(this.#immediate);
    clearTimeout(this.#timer);
    this.#immediate = undefined;
    this.#timer = undefined;
  }
}
