/** Owns the options of the loops: their meaning, their defaults and their checks. Knows the map; knows no loop. */

import { checkBoolean, checkInstance, checkInteger, checkMs, checkOptions, checkSignal } from "../backend/check.js";
import { ChannelMap, schedulerOf, defaultMap } from "./channel-map.js";
import type { Scheduler } from "./scheduler.js";

/** Options of `loop` and `loopSync`: asyncore's, and a signal. Any other name is refused. */
export interface LoopOptions {
  /** How long one poll waits at most, in milliseconds; Infinity: until something is ready. Default 30,000, as in asyncore. */
  readonly timeoutMs?: number | undefined;
  /**
   * The order in which events are delivered. False: all reads, then all writes, then all exceptional events, like
   * asyncore with select(2). True: channel by channel, like asyncore with poll(2). Default false.
   */
  readonly usePoll?: boolean | undefined;
  /** Default: `socketMap`. */
  readonly map?: ChannelMap | undefined;
  /** How many turns; default: until no channel and no timer is left. */
  readonly count?: number | undefined;
  /** Ends the loop when it is aborted; the channels stay open. `loopSync` checks it between turns. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of `poll`. */
export type PollOptions = Pick<LoopOptions, "timeoutMs" | "usePoll" | "map">;

/** Options of `closeAll`. */
export interface CloseAllOptions {
  /** Default: `socketMap`. */
  readonly map?: ChannelMap | undefined;
  /** Are errors of `close` ignored? Default false. */
  readonly ignoreAll?: boolean | undefined;
}

/** {@link LoopOptions}, checked, and with defaults filled in. @internal */
export interface LoopPlan {
  readonly scheduler: Scheduler;
  readonly timeoutMs: number;
  readonly byChannel: boolean;
  readonly count: number;
  readonly signal: AbortSignal | undefined;
}

const TIMEOUT_MS = 30_000;

const LOOP_OPTIONS = ["timeoutMs", "usePoll", "map", "count", "signal"] as const;
const POLL_OPTIONS = ["timeoutMs", "usePoll", "map"] as const;
const CLOSE_OPTIONS = ["map", "ignoreAll"] as const;

/** @throws TypeError, RangeError @internal */
export function planLoop(options: LoopOptions): LoopPlan {
  checkNamed(options, LOOP_OPTIONS);
  const { timeoutMs, usePoll, map, count, signal } = options;
  if (map !== undefined) checkInstance("map", map, ChannelMap);
  if (usePoll !== undefined) checkBoolean("usePoll", usePoll);
  if (signal !== undefined) checkSignal("signal", signal);
  if (timeoutMs !== undefined) checkMs("timeoutMs", timeoutMs, true);
  if (count !== undefined) checkInteger("count", count, 0, Number.MAX_SAFE_INTEGER);
  return {
    scheduler: schedulerOf(map ?? defaultMap()),
    timeoutMs: timeoutMs ?? TIMEOUT_MS,
    byChannel: usePoll === true,
    count: count ?? Infinity,
    signal,
  };
}

/** The options of one turn, which by default does not wait. @throws TypeError @internal */
export function turnOptions(options: PollOptions): LoopOptions {
  checkNamed(options, POLL_OPTIONS);
  const { timeoutMs = 0, usePoll, map } = options;
  return { timeoutMs, usePoll, map, count: 1 };
}

/** @throws TypeError @internal */
export function planClose(options: CloseAllOptions): { readonly map: ChannelMap; readonly ignoreAll: boolean } {
  checkNamed(options, CLOSE_OPTIONS);
  const { map = defaultMap(), ignoreAll = false } = options;
  checkInstance("map", map, ChannelMap);
  checkBoolean("ignoreAll", ignoreAll);
  return { map, ignoreAll };
}

/** asyncore's close_all(map) takes a map: here that would be ignored, and the default map be used instead. */
function checkNamed(options: object, known: readonly string[]): void {
  if (options instanceof ChannelMap) {
    throw Object.assign(new TypeError(`"options" must be an object with options, got a ChannelMap: pass { map }`), {
      code: "ERR_INVALID_ARG_TYPE",
    });
  }
  if (Object.hasOwn(Object(options) as object, "record")) {
    throw Object.assign(
      new TypeError(
        `unknown option "record" in "options": the channels of the map have a backend already, and what is recorded is a ` +
          `backend. Use new ChannelMap({ record: path }), or the variable WASYNCORE_RECORD`,
      ),
      { code: "ERR_UNKNOWN_OPTION" },
    );
  }
  checkOptions("options", options, known);
}
