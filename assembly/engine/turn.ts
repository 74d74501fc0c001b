/**
 * Owns the turn: sample interest, poll, deliver, fire timers. Knows every other part of the engine, and outside of it
 * only WASI's poll_oneoff and clock_time_get.
 *
 * A turn has two halves, so that a host with an event loop of its own can wait between them: `prepare` samples interest
 * and returns how long the poll may wait; `run` polls and delivers. Neither may be called inside the other: the caller
 * sees to that.
 */

import {
  channelAt,
  firstSampled,
  isCurrent,
  nextSampled,
  releaseRestingSlots,
  sequenceEnd,
  setInterest,
} from "./channels";
import { clearStopped, deliverAll, deliverTimer, isStopped } from "./delivery";
import {
  clearLog,
  eventCapacity,
  eventsAt,
  refresh,
  setTimeoutNs,
  subscriptionCount,
  subscriptionsAt,
} from "./interest";
import { hasPaused, pauseEndNs, resumePaused } from "./pause";
import { hasLeftover, schedule } from "./schedule";
import { statistics } from "./statistics";
import { addTimer, beginFiring, endFiring, nextDeadlineNs, takeDue, timerCount } from "./timers";
import { ask } from "./upcalls";
import { ERRNO_INTR, ERRNO_SUCCESS } from "../shared/errno";
import { ClockId, clock_time_get, poll_oneoff } from "../wasi/poll";

/** Where the calls of WASI write a count or a time. */
const result = memory.data(8, 8);

/** The longest wait: some 24 days, which every host can count in milliseconds. */
export const WAIT_NS_MAX: i64 = 0x7fffffff * 1_000_000;

let running: bool = false;

/** `poll_oneoff`, or what a guest calls in its place. */
export type Poll = (subscriptionsAt: usize, eventsAt: usize, subscriptions: u32, eventCountAt: usize) => i32;

let poll: Poll = poll_oneoff;

/** Makes turns call `call` in place of the host's `poll_oneoff`. */
export function setPoll(call: Poll): void {
  poll = call;
}

/** Is a turn's second half under way? */
export function isTurning(): bool {
  return running;
}

export function nowNs(): i64 {
  clock_time_get(ClockId.MONOTONIC, 0, result);
  return load<i64>(result);
}

/** The first half: samples interest. @returns how long the poll may wait, at most `timeoutNs`. */
export function prepare(timeoutNs: i64): i64 {
  releaseRestingSlots();
  sampleAll();
  let wait = hasLeftover() ? 0 : min(timeoutNs, WAIT_NS_MAX);
  if (timerCount() > 0 || hasPaused()) {
    const now = nowNs();
    if (now >= pauseEndNs()) resumePaused();
    if (hasPaused()) wait = min(wait, pauseEndNs() - now);
    if (timerCount() > 0) wait = min(wait, firstDeadlineNs() - now);
  }
  return max<i64>(0, wait);
}

/**
 * The second half: polls for at most `waitNs`, which is at most {@link WAIT_NS_MAX}, and delivers; then fires timers.
 * @returns how many channels were ready, or the negative WASI errno of a poll that failed.
 */
export function run(waitNs: i64, byChannel: bool): i32 {
  running = true;
  clearStopped();
  statistics.turns += 1;
  // Never 0: some hosts take that for "no timeout". 1 ns is how a portable program says "do not wait".
  setTimeoutNs(max<i64>(1, waitNs));
  const errno = poll(subscriptionsAt(), eventsAt(), subscriptionCount(), result);
  clearLog();
  let ready = 0;
  if (errno == ERRNO_SUCCESS) {
    ready = schedule(min(load<i32>(result), eventCapacity()));
    deliverAll(ready, byChannel);
  }
  if (!isStopped() && timerCount() > 0) fire();
  running = false;
  return errno == ERRNO_SUCCESS || errno == ERRNO_INTR ? ready : -errno;
}

/** Samples the interest of each sampled channel that was in the map when the turn began. */
function sampleAll(): void {
  const end = sequenceEnd();
  let slot = firstSampled();
  while (slot >= 0 && channelAt(slot).sequence < end) {
    const generation = channelAt(slot).generation;
    statistics.sampled += 1;
    const interest = ask(slot);
    if (isCurrent(slot, generation)) {
      setInterest(slot, interest);
      refresh(slot);
    }
    slot = nextSampled();
  }
}

/** What knows the timers; nothing does until there is one, so that a module without any does not contain the rest. */
let fire: () => void = fireNone;
let firstDeadlineNs: () => i64 = noDeadline;

function fireNone(): void {}

function noDeadline(): i64 {
  return WAIT_NS_MAX;
}

/** Starts a timer for a time of the monotonic clock, in nanoseconds; a period of 0 fires once. @returns its slot. */
export function startTimer(deadlineNs: i64, periodNs: i64): i32 {
  fire = fireTimers;
  firstDeadlineNs = nextDeadlineNs;
  return addTimer(deadlineNs, periodNs);
}

function fireTimers(): void {
  const now = nowNs();
  beginFiring();
  let slot = takeDue(now);
  while (slot >= 0) {
    deliverTimer(slot);
    slot = isStopped() ? -1 : takeDue(now);
  }
  endFiring();
}
