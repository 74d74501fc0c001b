/** Owns what guests' loops have beside `loop`, on Node and for the default map. Knows the loop; knows no handler class. */

import { defaultMap } from "../loop/channel-map.js";
import { ExitNow } from "../backend/errors.js";
import { runTurns } from "../loop/loop.js";

const NS_PER_MS = 1e6;

/**
 * Leaves the loop: call it last in a callback. On Node it throws, `loop` rejects with what is thrown, and nothing after
 * the call is done; in a guest the callback goes on to its end, and `loop` returns.
 * @throws ExitNow
 */
export function exitNow(): void {
  throw new ExitNow("exitNow() was called");
}

/** How many channels and timers there are: at 0 there is nothing left to wait for. */
export function pending(): number {
  const { channelsNow, timersNow } = defaultMap().stats();
  return channelsNow + timersNow;
}

/**
 * One turn, blocking for at most `timeoutNs`, 0 for not at all. In a guest it is for a host that drives the guest.
 * @returns how many channels were ready
 */
export function turn(timeoutNs: number): number {
  return runTurns({ timeoutMs: Math.max(0, timeoutNs) / NS_PER_MS, count: 1 });
}
