/**
 * Owns what engine.wasm exports and imports, and checks what comes in. Only numbers cross: a channel or timer is named by
 * slot and generation, interest and readiness are bits, times are milliseconds in f64. docs/abi.md describes each.
 */

import { ERRNO_ALREADY, ERRNO_NOMEM } from "../shared/errno";
import { channelCount as countChannels, isSlot } from "./channels";
import { changeCount as countChanges, changesAt as findChanges, clearLog } from "./interest";
import {
  channelAdd as addChannel,
  channelGeneration as generationOfChannel,
  channelRegistered as registeredFor,
} from "./membership";
import { reserveChannel, reserveTimer, reserveTurn } from "./reserve";
import { statistics } from "./statistics";
import {
  isRunning,
  isTimerSlot,
  removeTimer,
  timerCount as countTimers,
  timerGeneration as generationOf,
} from "./timers";
import { WAIT_NS_MAX, isTurning as isRunningTurn, prepare, run, startTimer } from "./turn";
import { setUpcalls } from "./upcalls";

export {
  channelEndInput,
  channelPause,
  channelRemove,
  channelSetInterest,
  channelSetState,
  channelTakeError,
} from "./membership";


@external("wasyncore", "ask")
declare function askHost(slot: i32): i32;


@external("wasyncore", "deliver")
declare function deliverToHost(slot: i32, kind: i32, detail: i32): i32;

setUpcalls(askHost, deliverToHost);

const NS_PER_MS: f64 = 1e6;

/**
 * The latest time, some 126 years; the earliest is as far before 0. So no sum of a deadline and a period overflows, nor
 * the difference between a deadline and the clock.
 */
const NS_MAX: f64 = 4e18;

/** Is `turnPrepare` under way? */
let preparing: bool = false;

/** NaN is 0. */
function toNs(ms: f64): i64 {
  return isNaN(ms) ? 0 : i64(min(max(ms * NS_PER_MS, -NS_MAX), NS_MAX));
}

/** Adds a channel. @returns its slot, or -NOMEM. */
export function channelAdd(fd: i32, state: i32, interest: i32, sampled: bool, stream: bool): i32 {
  return reserveChannel() ? addChannel(fd, state, interest, sampled, stream) : -ERRNO_NOMEM;
}

/** The generation of the channel in `slot`; 0 where there never was one. */
export function channelGeneration(slot: i32): u32 {
  return isSlot(slot) ? generationOfChannel(slot) : 0;
}

/** What the channel in `slot` is watched for. */
export function channelRegistered(slot: i32): i32 {
  return isSlot(slot) ? registeredFor(slot) : 0;
}

export function channelCount(): i32 {
  return countChannels();
}

/** Starts a timer for a time of the monotonic clock; a period of 0 fires once. @returns its slot, or -NOMEM. */
export function timerAdd(deadlineMs: f64, periodMs: f64): i32 {
  if (!reserveTimer()) return -ERRNO_NOMEM;
  return startTimer(toNs(deadlineMs), periodMs > 0 ? max<i64>(1, toNs(periodMs)) : 0);
}

/** The generation of the timer in `slot`; 0 where there never was one. */
export function timerGeneration(slot: i32): u32 {
  return isTimerSlot(slot) ? generationOf(slot) : 0;
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

/** The first half of a turn. @returns how long the poll may wait, in milliseconds; -ALREADY inside of either half. */
export function turnPrepare(timeoutMs: f64): f64 {
  if (preparing || isRunningTurn()) return -ERRNO_ALREADY;
  preparing = true;
  const waitNs = prepare(toNs(timeoutMs));
  preparing = false;
  return f64(waitNs) / NS_PER_MS;
}

/** The second half. @returns how many channels were ready, or a negative WASI errno: -ALREADY inside of either half. */
export function turnRun(waitMs: f64, byChannel: bool): i32 {
  if (preparing || isRunningTurn()) return -ERRNO_ALREADY;
  return reserveTurn() ? run(min(toNs(waitMs), WAIT_NS_MAX), byChannel) : -ERRNO_NOMEM;
}

/** Is the second half of a turn under way? */
export function isTurning(): bool {
  return isRunningTurn();
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
