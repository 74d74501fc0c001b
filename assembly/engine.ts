/**
 * Owns what engine.wasm exports and imports; nothing else. Only numbers cross: a channel or timer is named by slot
 * and generation, interest and readiness are bits, times are milliseconds in f64. docs/abi.md describes each.
 */

import { channelCount as countChannels } from "./engine/channels";
import { changeCount as countChanges, changesAt as findChanges, clearLog } from "./engine/interest";
import { statistics } from "./engine/statistics";
import { isRunning, removeTimer, timerCount as countTimers, timerGeneration as generationOf } from "./engine/timers";
import { isTurning as turning, prepare, run, startTimer } from "./engine/turn";
import { setUpcalls } from "./engine/upcalls";

export {
  channelAdd,
  channelEndInput,
  channelGeneration,
  channelPause,
  channelRegistered,
  channelRemove,
  channelSetInterest,
  channelSetState,
  channelTakeError,
} from "./engine/membership";


@external("wasyncore", "ask")
declare function askHost(slot: i32): i32;


@external("wasyncore", "deliver")
declare function deliverToHost(slot: i32, kind: i32, detail: i32): i32;

setUpcalls(askHost, deliverToHost);

const NS_PER_MS: f64 = 1e6;

/** The latest time that there is: some 126 years. A deadline and a period of that together are no overflow yet. */
const NS_MAX: f64 = 4e18;

function toNs(ms: f64): i64 {
  return i64(min(ms * NS_PER_MS, NS_MAX));
}

export function channelCount(): i32 {
  return countChannels();
}

/** Starts a timer for a time of the monotonic clock; a period of 0 fires once. @returns its slot. */
export function timerAdd(deadlineMs: f64, periodMs: f64): i32 {
  return startTimer(toNs(deadlineMs), periodMs > 0 ? max<i64>(1, toNs(periodMs)) : 0);
}

/** The generation of the timer in `slot`. */
export function timerGeneration(slot: i32): u32 {
  return generationOf(slot);
}

/** Stops a timer. @returns false where it has fired or was stopped already. */
export function timerCancel(slot: i32, generation: u32): bool {
  if (!isRunning(slot, generation)) return false;
  removeTimer(slot);
  return true;
}

export function timerCount(): i32 {
  return countTimers();
}

/** The first half of a turn. @returns how long the poll may wait, in milliseconds. */
export function turnPrepare(timeoutMs: f64): f64 {
  return f64(prepare(toNs(timeoutMs))) / NS_PER_MS;
}

/** The second half. @returns how many channels were ready, or a negative WASI errno. */
export function turnRun(waitMs: f64, byChannel: bool): i32 {
  return run(toNs(waitMs), byChannel);
}

/** Is the second half of a turn under way? */
export function isTurning(): bool {
  return turning();
}

/** How many entries the change log has. */
export function changeCount(): i32 {
  return countChanges();
}

/** Where the change log is: 16 bytes an entry. */
export function changesAt(): usize {
  return findChanges();
}

/** The host has brought its own set in step with the change log. */
export function changesTaken(): void {
  clearLog();
}

/** Where the counters are: 8 bytes each. */
export function statisticsAt(): usize {
  return changetype<usize>(statistics);
}
