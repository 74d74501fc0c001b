/**
 * Owns the loop: `loop`, which waits on the host's own event loop, `loopSync` and `poll`, which block, and `closeAll`.
 * Both ways drive the same engine and give the same trace. Knows the scheduler and the driver; knows no handler class.
 */

import type { PollSet, Turns } from "../backend/backend.js";
import { LoopError, OSError } from "../backend/errors.js";
import { takeTurns } from "./driver.js";
import { rememberLooped } from "./never-looped.js";
import { planClose, planLoop, turnOptions, type CloseAllOptions, type LoopOptions, type LoopPlan } from "./options.js";
import type { PollOptions } from "./options.js";
import type { Scheduler } from "./scheduler.js";

export type { CloseAllOptions, LoopOptions, PollOptions } from "./options.js";

/** With at least this many ready channels, the next turn is likely to find something too. */
const BUSY_CHANNELS = 4;

/** The turns of a channel map, for the driver. */
class MapTurns implements Turns {
  readonly busyFrom = BUSY_CHANNELS;
  readonly pollSet: PollSet;
  readonly #scheduler: Scheduler;
  readonly #timeoutMs: number;
  readonly #byChannel: boolean;
  #turnsLeft: number;

  constructor({ scheduler, timeoutMs, byChannel, count }: LoopPlan) {
    this.pollSet = scheduler.poller.pollSet;
    this.#scheduler = scheduler;
    this.#timeoutMs = timeoutMs;
    this.#byChannel = byChannel;
    this.#turnsLeft = count;
  }

  get keepsAlive(): boolean {
    return this.#scheduler.keepsAlive;
  }

  get areSampled(): boolean {
    return this.#scheduler.sampled > 0;
  }

  get onChange(): (() => void) | undefined {
    return this.#scheduler.onChange;
  }

  set onChange(callback: (() => void) | undefined) {
    this.#scheduler.onChange = callback;
  }

  prepare(elapsedMs: number): number | undefined {
    const scheduler = this.#scheduler;
    if (this.#turnsLeft <= 0 || scheduler.isIdle) return undefined;
    return scheduler.prepare(Math.max(0, this.#timeoutMs - elapsedMs), this.#byChannel);
  }

  beforeWait(): boolean {
    const { poller } = this.#scheduler;
    poller.synchronize();
    return !poller.isImmediate;
  }

  canWrite(): boolean {
    const { poller } = this.#scheduler;
    poller.synchronize();
    return poller.pollSet.canAnyWrite === true;
  }

  run(): number {
    this.#turnsLeft -= 1;
    return this.#scheduler.run(0, this.#byChannel);
  }
}

/**
 * Runs the loop on Node's own event loop, alongside other servers, timers and promises of the process. Keeps the process
 * alive while channels or timers are left. Resolves when none are left, after `count` turns, or when `signal` is aborted.
 * Rejects with ExitNow from a callback, and with what a `handleError` throws. asyncore.loop.
 * @throws TypeError, RangeError for options; LoopError ERR_LOOP_RUNNING where a loop runs on the map already
 */
export async function loop(options: LoopOptions = {}): Promise<void> {
  const plan = planLoop(options);
  const { scheduler } = plan;
  begin(scheduler, "loop");
  try {
    scheduler.lookups.begin("asynchronous");
    scheduler.rethrow();
    await takeTurns(scheduler.backend.clock, new MapTurns(plan), plan.signal);
  } finally {
    end(scheduler);
  }
}

/**
 * The same as {@link loop}, but blocks the thread: nothing but the handlers runs in it. asyncore.loop.
 */
export function loopSync(options: LoopOptions = {}): void {
  runTurns(options);
}

/** The same as {@link loopSync}. @returns how many channels were ready in the last turn */
export function runTurns(options: LoopOptions): number {
  const { scheduler, timeoutMs, byChannel, count, signal } = planLoop(options);
  begin(scheduler, "loopSync");
  let ready = 0;
  scheduler.layers.isBlocking = true;
  try {
    scheduler.lookups.begin("blocking");
    scheduler.rethrow();
    for (let turn = 0; turn < count && !scheduler.isIdle && signal?.aborted !== true; turn++) {
      ready = scheduler.run(scheduler.prepare(timeoutMs, byChannel), byChannel);
    }
  } finally {
    end(scheduler);
  }
  return ready;
}

/** One turn, which blocks for at most `timeoutMs` (default 0). asyncore.poll, and with `usePoll` asyncore.poll2. */
export function poll(options: PollOptions = {}): void {
  loopSync(turnOptions(options));
}

/**
 * Closes every channel of a map and cancels its timers. Unless `ignoreAll`, an error of a `close` is thrown once all are
 * closed; EBADF never is. asyncore.close_all.
 */
export function closeAll(options: CloseAllOptions = {}): void {
  const { map, ignoreAll } = planClose(options);
  let first: { readonly error: unknown } | undefined;
  for (const channel of [...map.values()]) {
    try {
      channel.close();
    } catch (error) {
      if (!(error instanceof OSError && error.code === "EBADF")) first ??= { error };
    }
  }
  map.cancelTimers();
  if (first !== undefined && !ignoreAll) throw first.error;
}

function begin(scheduler: Scheduler, name: string): void {
  if (scheduler.isLooping) {
    throw new LoopError(
      "ERR_LOOP_RUNNING",
      `${name}: a loop is running on this map already; give a nested loop a map of its own, or end the first`,
    );
  }
  scheduler.isLooping = true;
  rememberLooped(scheduler);
}

function end(scheduler: Scheduler): void {
  scheduler.lookups.end();
  scheduler.layers.isBlocking = false;
  scheduler.isLooping = false;
}
