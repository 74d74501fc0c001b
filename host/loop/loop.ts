/**
 * Owns the loop: `loop`, which waits on the host's own event loop, `loopSync` and `poll`, which block, and `closeAll`.
 * Both ways drive the same engine and give the same trace. Knows the scheduler; knows no handler class.
 */

import { ChannelMap, schedulerOf, socketMap } from "./channel-map.js";
import { checkBoolean, checkInstance, checkInteger, checkMs, checkObject } from "../backend/check.js";
import { LoopError, OSError } from "../backend/errors.js";
import { HostedLoop } from "./hosted-loop.js";
import type { Scheduler } from "./scheduler.js";

/** Options of {@link loop} and {@link loopSync}; asyncore's, and a signal. */
export interface LoopOptions {
  /** How long one poll may wait; Infinity: until something happens. Default 30,000, as in asyncore. */
  readonly timeoutMs?: number | undefined;
  /**
   * Which of asyncore's two orders events are delivered in: all reads, all writes, all exceptional events (false,
   * select(2)); or channel by channel (true, poll(2)). Default false.
   */
  readonly usePoll?: boolean | undefined;
  /** Default {@link socketMap}. */
  readonly map?: ChannelMap | undefined;
  /** How many turns; default: until no channel and no timer is left. */
  readonly count?: number | undefined;
  /** Ends the loop when it is aborted; the channels stay. `loopSync` looks at it between turns. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of {@link poll}. */
export type PollOptions = Pick<LoopOptions, "timeoutMs" | "usePoll" | "map">;

/** {@link LoopOptions}, checked and filled in. */
export interface LoopPlan {
  readonly scheduler: Scheduler;
  readonly timeoutMs: number;
  readonly byChannel: boolean;
  readonly count: number;
  readonly signal: AbortSignal | undefined;
}

const TIMEOUT_MS = 30_000;

/**
 * Runs the loop on Node's own event loop: other servers, timers and promises of the process go on beside it. Keeps the
 * process alive while channels or timers are left, and resolves when none is, when `count` turns are over, or when
 * `signal` is aborted. Rejects with what must leave the loop: ExitNow, and what a `handleError` threw.
 * asyncore.loop.
 */
export async function loop(options: LoopOptions = {}): Promise<void> {
  const plan = planLoop(options);
  const { scheduler } = plan;
  const owner = own(scheduler, "loop");
  try {
    scheduler.lookups.begin("asynchronous");
    scheduler.release();
    await new HostedLoop(plan).run();
  } finally {
    disown(scheduler, owner);
  }
}

/** The same, blocking the thread: nothing else of the process goes on, but what the handlers do. asyncore.loop. */
export function loopSync(options: LoopOptions = {}): void {
  runTurns(options);
}

/** The same. @returns how many channels were ready in the last turn */
export function runTurns(options: LoopOptions): number {
  const { scheduler, timeoutMs, byChannel, count, signal } = planLoop(options);
  const owner = own(scheduler, "loopSync");
  let ready = 0;
  try {
    scheduler.lookups.begin("blocking");
    scheduler.release();
    for (let turn = 0; turn < count && !scheduler.isIdle && signal?.aborted !== true; turn++) {
      ready = scheduler.run(scheduler.prepare(timeoutMs, byChannel), byChannel);
    }
  } finally {
    disown(scheduler, owner);
  }
  return ready;
}

/** One turn, blocking for `timeoutMs` (default 0) at the most. asyncore.poll, and with `usePoll` asyncore.poll2. */
export function poll({ timeoutMs = 0, usePoll, map }: PollOptions = {}): void {
  loopSync({ timeoutMs, usePoll, map, count: 1 });
}

/**
 * Closes every channel of a map and cancels its timers. An error of a `close` is thrown after the rest, unless
 * `ignoreAll`; EBADF never is. asyncore.close_all.
 */
export function closeAll({ map = socketMap, ignoreAll = false }: { map?: ChannelMap; ignoreAll?: boolean } = {}): void {
  checkInstance("map", map, ChannelMap);
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

function planLoop({ timeoutMs, usePoll, map, count, signal }: LoopOptions): LoopPlan {
  if (map !== undefined) checkInstance("map", map, ChannelMap);
  if (usePoll !== undefined) checkBoolean("usePoll", usePoll);
  if (signal !== undefined) checkObject("signal", signal);
  if (timeoutMs !== undefined) checkMs("timeoutMs", timeoutMs, true);
  if (count !== undefined) checkInteger("count", count, 0, Number.MAX_SAFE_INTEGER);
  return {
    scheduler: schedulerOf(map ?? socketMap),
    timeoutMs: timeoutMs ?? TIMEOUT_MS,
    byChannel: usePoll === true,
    count: count ?? Infinity,
    signal,
  };
}

/** Takes the map for one loop: two on one map would deliver each other's events. */
function own(scheduler: Scheduler, name: string): object {
  if (scheduler.owner !== undefined) {
    throw new LoopError(
      "ERR_LOOP_RUNNING",
      `${name}: a loop is running on this map already; give a nested loop a map of its own, or end the first`,
    );
  }
  const owner = {};
  scheduler.owner = owner;
  return owner;
}

function disown(scheduler: Scheduler, owner: object): void {
  scheduler.lookups.end();
  if (scheduler.owner === owner) scheduler.owner = undefined;
}
