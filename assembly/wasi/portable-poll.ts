/**
 * Owns what a guest puts before its host's `poll_oneoff`, so that the engine finds in every host what it counts on. Knows
 * the layouts; knows no channel.
 *
 * - A host may complete every subscription once one is ready, or all of them after the whole timeout, without looking at
 *   any. Then a turn may come to nothing. After such turns it waits: 1 ms, 2 ms, up to 16 ms, until something moves. A
 *   host that has never been seen to wait for a descriptor is never trusted with a wait. Standard input and output do not
 *   count: some wait for these alone.
 * - One bad descriptor may fail the whole call with EBADF. Then the bad one is searched for, and reported by an event.
 * - A host that cannot poll descriptors at all (ENOTSUP, ENOSYS) is polled for the time alone, and every channel is tried
 *   in each turn, with the same waits.
 * - A host may wake and report nothing, not even the clock: WasmEdge does while a connection waits to write whose peer
 *   has ended its half. That is a turn that came to nothing as well.
 * - A host may be unable to wait for a file, which is always ready: WasmEdge reports EPERM for it, and only when the wait is
 *   over. While there is one, nothing is waited for.
 * - Of an event only the subscription and the error are believed. ENOTSUP and EPERM are no errors: the channel is tried.
 */

import { activityCount } from "./activity";
import { ERRNO_BADF, ERRNO_NOSYS, ERRNO_NOTSUP, ERRNO_PERM, ERRNO_SUCCESS } from "../shared/errno";
import {
  ClockId,
  EVENT_SIZE,
  Event,
  EventType,
  SUBSCRIPTION_SIZE,
  Subscription,
  poll_oneoff,
  writeEvent,
} from "./poll";
import { FDSTAT_SIZE, fd_fdstat_get } from "./preview1";

const BACK_OFF_NS: u64 = 1_000_000;
const BACK_OFF_DOUBLINGS: u32 = 4;
/** How often a host that does wait may be wrong in a row before that is forgotten. */
const FRUITLESS_MAX: u32 = 32;

/** Two subscriptions, the clock and one more, their events, and how many there are. */
const pair = memory.data(2 * SUBSCRIPTION_SIZE + 2 * EVENT_SIZE + FDSTAT_SIZE, 8);
const pairEvents = pair + 2 * SUBSCRIPTION_SIZE;
const pairCount = pairEvents + 2 * EVENT_SIZE;
changetype<Subscription>(pair).tag = EventType.CLOCK;
changetype<Subscription>(pair).id = ClockId.MONOTONIC;

/** Has the host been seen to leave a descriptor out that was not ready? */
let waits: bool = false;
/** Has it refused to poll descriptors? */
let refuses: bool = false;
/** Did the last poll find something, or wake for nothing? */
let found: bool = false;
/** Did it report a file that it cannot wait for? */
let foundFile: bool = false;
/** Before the first poll nothing can have come to nothing. */
let activityBefore: u32 = u32.MAX_VALUE;
/** How many turns in a row came to nothing; of a host that waits, only those in which something was found. */
let fruitless: u32 = 0;

/** As `poll_oneoff`. The first subscription is the clock, and the only one of its kind. */
export function pollPortably(subscriptionsAt: usize, eventsAt: usize, subscriptions: u32, eventCountAt: usize): i32 {
  const clock = changetype<Subscription>(subscriptionsAt);
  if (subscriptions > 1) {
    const errno = holdBack(clock);
    if (errno != ERRNO_SUCCESS) return errno;
  }
  if (refuses) return claimAll(subscriptionsAt, eventsAt, subscriptions, eventCountAt);
  const errno = poll_oneoff(subscriptionsAt, eventsAt, subscriptions, eventCountAt);
  if (errno == ERRNO_SUCCESS) {
    readEvents(eventsAt, load<i32>(eventCountAt));
    if (!found && !waits) waits = hasLastingDescriptor(subscriptionsAt, subscriptions);
    return errno;
  }
  found = false;
  if (subscriptions == 1) return errno;
  if (errno == ERRNO_BADF) return searchBad(subscriptionsAt, eventsAt, subscriptions, eventCountAt);
  if (errno != ERRNO_NOTSUP && errno != ERRNO_NOSYS) return errno;
  refuses = true;
  // If the host cannot wait for a time either, there is no way to wait.
  const asleep = sleep(1);
  if (asleep != ERRNO_SUCCESS) return asleep;
  return claimAll(subscriptionsAt, eventsAt, subscriptions, eventCountAt);
}

/**
 * Makes the host forget the descriptors that it polled last. WasmEdge keeps them for the next call, and standard
 * input and output even when they are closed, which it does not survive.
 */
export function forgetPolled(): void {
  sleep(1);
}

/** Is this descriptor ready? It is polled alone. */
export function isReady(fd: i32, tag: u8): bool {
  return pollOne(fd, tag) == ERRNO_SUCCESS && eventOf(tag) != null;
}

/** Waits first, if the last poll, or the last ones, came to nothing. */
function holdBack(clock: Subscription): i32 {
  const wanted = clock.timeout;
  fruitless = (found || !waits) && activityCount() == activityBefore ? fruitless + 1 : 0;
  activityBefore = activityCount();
  if (fruitless >= FRUITLESS_MAX) waits = false;
  if (foundFile || !waits) clock.timeout = 1;
  if (waits) return ERRNO_SUCCESS;
  return fruitless == 0 ? ERRNO_SUCCESS : sleep(min(wanted, BACK_OFF_NS << min(fruitless - 1, BACK_OFF_DOUBLINGS)));
}

function sleep(timeNs: u64): i32 {
  changetype<Subscription>(pair).timeout = max<u64>(1, timeNs);
  return poll_oneoff(pair, pairEvents, 1, pairCount);
}

function readEvents(eventsAt: usize, count: i32): void {
  found = count == 0;
  foundFile = false;
  for (let i = 0; i < count; i++) {
    const event = changetype<Event>(eventsAt + <usize>i * EVENT_SIZE);
    if (event.type == EventType.CLOCK) continue;
    found = true;
    event.nbytes = 1;
    if (event.error == ERRNO_PERM) foundFile = true;
    event.error = u16(errorOf(event));
  }
}

/** That of the descriptor: what says that the host cannot poll it is none. */
function errorOf(event: Event): i32 {
  return event.error == ERRNO_NOTSUP || event.error == ERRNO_PERM ? ERRNO_SUCCESS : event.error;
}

/** Is there more than standard input and output, for which some hosts wait and for nothing else? */
function hasLastingDescriptor(subscriptionsAt: usize, subscriptions: u32): bool {
  for (let i: u32 = 1; i < subscriptions; i++) {
    if (changetype<Subscription>(subscriptionsAt + i * SUBSCRIPTION_SIZE).id > 2) return true;
  }
  return false;
}

/** Says that every descriptor is ready. */
function claimAll(subscriptionsAt: usize, eventsAt: usize, subscriptions: u32, eventCountAt: usize): i32 {
  for (let i: u32 = 1; i < subscriptions; i++) {
    report(eventsAt, i - 1, changetype<Subscription>(subscriptionsAt + i * SUBSCRIPTION_SIZE), ERRNO_SUCCESS);
  }
  store<u32>(eventCountAt, subscriptions - 1);
  found = subscriptions > 1;
  return ERRNO_SUCCESS;
}

/** The call has failed with EBADF: reports which descriptors are not open or, if all are, which cannot be polled. */
function searchBad(subscriptionsAt: usize, eventsAt: usize, subscriptions: u32, eventCountAt: usize): i32 {
  let count: u32 = 0;
  for (let pass = 0; pass < 2 && count == 0; pass++) {
    for (let i: u32 = 1; i < subscriptions; i++) {
      const subscription = changetype<Subscription>(subscriptionsAt + i * SUBSCRIPTION_SIZE);
      const errno = pass == 0 ? fd_fdstat_get(subscription.id, pairCount) : pollOne(subscription.id, subscription.tag);
      if (errno == ERRNO_BADF) report(eventsAt, count++, subscription, ERRNO_BADF);
    }
  }
  store<u32>(eventCountAt, count);
  return count > 0 ? ERRNO_SUCCESS : ERRNO_BADF;
}

/** Polls one descriptor, without waiting. @returns the errno of the call, or else of its event. */
function pollOne(fd: i32, tag: u8): i32 {
  const subscription = changetype<Subscription>(pair + SUBSCRIPTION_SIZE);
  subscription.tag = tag;
  subscription.id = fd;
  changetype<Subscription>(pair).timeout = 1;
  const errno = poll_oneoff(pair, pairEvents, 2, pairCount);
  if (errno != ERRNO_SUCCESS) return errno;
  const event = eventOf(tag);
  return event == null ? ERRNO_SUCCESS : errorOf(event);
}

/** The event of {@link pollOne} that is not the clock's. */
function eventOf(tag: u8): Event | null {
  for (let i: i32 = 0; i < load<i32>(pairCount); i++) {
    const event = changetype<Event>(pairEvents + <usize>i * EVENT_SIZE);
    if (event.type == tag) return event;
  }
  return null;
}

function report(eventsAt: usize, index: i32, subscription: Subscription, error: i32): void {
  writeEvent(eventsAt, index, subscription.userdata, subscription.tag, error);
}
