/**
 * Owns what engine.wasm exports and imports; nothing else. Only numbers cross: a channel or timer is named by slot
 * and generation, interest and readiness are bits, times are milliseconds in f64. docs/abi.md describes each.
 */

import {
  Flag,
  Ready,
  addChannel,
  channelAt,
  channelCount as countChannels,
  isCurrent,
  removeChannel,
  setInterest,
} from "./engine/channels";
import { changeCount as countChanges, changesAt as findChanges, clearLog, forget, refresh } from "./engine/interest";
import { noteFreed, pauseListener } from "./engine/pause";
import { statistics } from "./engine/statistics";
import { addTimer, isRunning, removeTimer, timerCount as countTimers, timerGeneration as generationOf } from "./engine/timers";
import { isTurning as turning, nowNs, prepare, run } from "./engine/turn";
import { setUpcalls } from "./engine/upcalls";

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

/** Adds a channel. `asked`: it is asked for its interest every turn. @returns its slot. */
export function channelAdd(fd: i32, state: i32, interest: i32, asked: bool, stream: bool): i32 {
  const flags = (asked ? Flag.ASKED : 0) | (stream ? Flag.STREAM : 0);
  const slot = addChannel(fd, u8(state), u8(flags), u8(interest & (Ready.READ | Ready.WRITE)));
  statistics.channels += 1;
  if (!asked) refresh(slot);
  return slot;
}

/** The generation of the channel in `slot`. */
export function channelGeneration(slot: i32): u32 {
  return channelAt(slot).generation;
}

/** Takes a channel out of the map. @returns false where there is no such channel. */
export function channelRemove(slot: i32, generation: u32): bool {
  if (!isCurrent(slot, generation)) return false;
  forget(slot);
  removeChannel(slot);
  noteFreed();
  return true;
}

/** Says what a channel wants from now on; one that is asked answers for itself. */
export function channelSetInterest(slot: i32, generation: u32, interest: i32): bool {
  if (!isCurrent(slot, generation)) return false;
  setInterest(slot, interest);
  refresh(slot);
  return true;
}

/** The channel's input has come to its end: from now on it is not watched for reading, whatever it wants. */
export function channelEndInput(slot: i32, generation: u32): bool {
  if (!isCurrent(slot, generation)) return false;
  const channel = channelAt(slot);
  channel.flags |= Flag.ENDED;
  setInterest(slot, channel.interest);
  refresh(slot);
  return true;
}

export function channelSetState(slot: i32, generation: u32, state: i32): bool {
  if (!isCurrent(slot, generation)) return false;
  channelAt(slot).state = u8(state);
  refresh(slot);
  return true;
}

/** Pauses a listener that is out of descriptors: until a channel is removed, or a second is over. */
export function channelPause(slot: i32, generation: u32): bool {
  if (!isCurrent(slot, generation)) return false;
  pauseListener(slot, nowNs());
  return true;
}

/** Takes the pending error of a stream that has come to its end. @returns a WASI errno, 0 for none. */
export function channelTakeError(slot: i32, generation: u32): i32 {
  if (!isCurrent(slot, generation)) return 0;
  const channel = channelAt(slot);
  const error = channel.error;
  channel.error = 0;
  return error;
}

/** What the channel is subscribed for at the moment. */
export function channelRegistered(slot: i32): i32 {
  return channelAt(slot).registered;
}

export function channelCount(): i32 {
  return countChannels();
}

/** Starts a timer for a time of the monotonic clock; a period of 0 fires once. @returns its slot. */
export function timerAdd(deadlineMs: f64, periodMs: f64): i32 {
  return addTimer(toNs(deadlineMs), periodMs > 0 ? max<i64>(1, toNs(periodMs)) : 0);
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
