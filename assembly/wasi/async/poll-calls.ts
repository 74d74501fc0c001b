/**
 * Owns `poll_oneoff` and `clock_time_get` of preview 1 over the async ABI, as far as the engine and a guest ask for them:
 * the first subscription is the clock, relative, and the only one of its kind. Knows the layouts and the descriptors; knows
 * no channel.
 *
 * The host is asked about a descriptor once, and reports it by an event; nothing is asked again until that has come. So a
 * poll hands no list to the host. A clock that has not gone off serves the next turn, even if that would wait for longer:
 * then it goes off too early, and the poll waits again.
 */

import { ERRNO_BADF, ERRNO_SUCCESS } from "../../shared/errno";
import { hasLastLoop } from "../last-loop";
import { ClockId, EventType, SUBSCRIPTION_SIZE, Subscription, writeEvent } from "../poll";
import { yieldToHost } from "./canonical";
import { Descriptor, Kind, Progress, Stage } from "./descriptors";
import { startClock, takeEvents, waitAndTake } from "./events";
import { monotonicNow, systemNow } from "./io";
import { InstantLayout } from "./layouts";
import { descriptorAt, hasInput } from "./stdio";
import { isReadable, isWritable } from "./streams";
import { hasDatagram } from "./udp";

const result = memory.data(InstantLayout.SIZE, 8);
const NS_PER_S: i64 = 1_000_000_000;

/** WASI preview 1, poll_oneoff. */
export function poll_oneoff(subscriptionsAt: usize, eventsAt: usize, subscriptions: u32, eventCountAt: usize): i32 {
  // A host that calls back has been asked, and waited for, before: see program.ts.
  if (!hasLastLoop()) {
    waitInside(subscriptionsAt, subscriptions, i64(changetype<Subscription>(subscriptionsAt).timeout));
  }
  store<i32>(eventCountAt, report(subscriptionsAt, eventsAt, subscriptions));
  return ERRNO_SUCCESS;
}

/** Waits inside the program until one is ready, or until the time is over. */
function waitInside(subscriptionsAt: usize, subscriptions: u32, timeoutNs: i64): void {
  takeEvents();
  // 1 ns is how a turn says "do not wait".
  const isReady = isAnyReady(subscriptionsAt, subscriptions);
  if (isReady || timeoutNs <= 1) {
    // Others become ready as well, and the host notes that only when it is let.
    yieldToHost();
    takeEvents();
    return;
  }
  let nowNs = monotonicNow();
  const deadlineNs = nowNs + timeoutNs;
  while (nowNs < deadlineNs && startClock(deadlineNs, nowNs)) {
    waitAndTake();
    takeEvents();
    if (isAnyReady(subscriptionsAt, subscriptions)) return;
    nowNs = monotonicNow();
  }
}

/** WASI preview 1, clock_time_get, of the monotonic and of the realtime clock. */
export function clock_time_get(id: u32, _precision: u64, timeAt: usize): i32 {
  if (id == ClockId.MONOTONIC) {
    store<i64>(timeAt, monotonicNow());
  } else {
    systemNow(result);
    store<i64>(
      timeAt,
      load<i64>(result, InstantLayout.SECONDS) * NS_PER_S + load<u32>(result, InstantLayout.NANOSECONDS),
    );
  }
  return ERRNO_SUCCESS;
}

/** Is one of them ready? The host is asked about the others. */
export function isAnyReady(subscriptionsAt: usize, subscriptions: u32): bool {
  let isReady = false;
  for (let i: u32 = 1; i < subscriptions; i++) {
    const subscription = changetype<Subscription>(subscriptionsAt + i * SUBSCRIPTION_SIZE);
    const descriptor = descriptorAt(subscription.id);
    if (descriptor === null) isReady = true;
    else if (subscription.tag == EventType.FD_READ) isReady = canRead(descriptor) || isReady;
    else isReady = (descriptor.kind == Kind.TCP && descriptor.failure != 0) || canWrite(descriptor) || isReady;
  }
  return isReady;
}

/** Writes an event for each subscription that is ready, and asks the host about the others. @returns how many */
function report(subscriptionsAt: usize, eventsAt: usize, subscriptions: u32): i32 {
  let count = 0;
  for (let i: u32 = 1; i < subscriptions; i++) {
    const subscription = changetype<Subscription>(subscriptionsAt + i * SUBSCRIPTION_SIZE);
    const descriptor = descriptorAt(subscription.id);
    let errno = ERRNO_BADF;
    if (descriptor !== null) {
      errno = ERRNO_SUCCESS;
      if (subscription.tag == EventType.FD_READ) {
        if (!canRead(descriptor)) continue;
      } else if (descriptor.kind == Kind.TCP && descriptor.failure != 0) {
        errno = descriptor.failure;
        descriptor.failure = 0;
      } else if (!canWrite(descriptor)) continue;
    }
    writeEvent(eventsAt, count, subscription.userdata, subscription.tag, errno);
    count += 1;
  }
  return count;
}

function canRead(descriptor: Descriptor): bool {
  if (descriptor.kind == Kind.TCP) return isReadable(descriptor);
  return descriptor.kind == Kind.UDP ? hasDatagram(descriptor) : hasInput(descriptor);
}

function canWrite(descriptor: Descriptor): bool {
  if (descriptor.kind == Kind.TCP) return isWritable(descriptor);
  if (descriptor.kind == Kind.UDP) return descriptor.stage != Stage.NEW && descriptor.writing != Progress.PENDING;
  return descriptor.writing != Progress.PENDING;
}
