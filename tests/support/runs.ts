/**
 * Owns the ways of running a loop that the tests hold to the same behaviour, and the maps that they run on. Knows the
 * public API alone.
 */

import { onTestFinished } from "vitest";
import { type Backend, ChannelMap, closeAll, loop, type LoopOptions, loopSync } from "wasyncore";

/** Longer than anything on the loopback takes; what waits so long has failed. */
export const PATIENCE_MS = 10_000;

/** A way to run a loop. */
export interface Mode {
  readonly name: string;
  readonly blocking: boolean;
  readonly usePoll: boolean;
}

export const MODES: readonly Mode[] = [
  { name: "loop", blocking: false, usePoll: false },
  { name: "loop with usePoll", blocking: false, usePoll: true },
  { name: "loopSync", blocking: true, usePoll: false },
  { name: "loopSync with usePoll", blocking: true, usePoll: true },
];

/** A map that is emptied when the test ends. */
export function newMap(backend?: Backend): ChannelMap {
  const map = new ChannelMap(backend === undefined ? {} : { backend });
  onTestFinished(() => {
    closeAll({ map, ignoreAll: true });
    map[Symbol.dispose]();
  });
  return map;
}

/** Runs the loop the way `mode` says, with the options given. */
export async function start(mode: Mode, options: LoopOptions): Promise<void> {
  const { usePoll } = mode;
  if (mode.blocking) loopSync({ usePoll, ...options });
  else await loop({ usePoll, ...options });
}

/** Runs the loop until `until` says so after a turn, or by its own rules; fails when it takes too long. */
export async function run(mode: Mode, map: ChannelMap, until: () => boolean = () => false): Promise<void> {
  const signal = new Until(until);
  await start(mode, { map, timeoutMs: 500, signal: signal as unknown as AbortSignal });
  if (signal.expired) throw new Error(`the loop went on for ${PATIENCE_MS} ms`);
}

/** Runs so many turns, none of which waits. */
export async function turns(mode: Mode, map: ChannelMap, count: number): Promise<void> {
  await start(mode, { map, count, timeoutMs: 0 });
}

/** A signal that is aborted when a question is answered with yes, which the loop asks between turns. */
class Until extends EventTarget {
  expired = false;
  readonly #until: () => boolean;
  readonly #deadlineMs = performance.now() + PATIENCE_MS;

  constructor(until: () => boolean) {
    super();
    this.#until = until;
  }

  get aborted(): boolean {
    this.expired = performance.now() > this.#deadlineMs;
    return this.expired || this.#until();
  }
}
