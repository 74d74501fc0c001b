/**
 * Owns `poll_oneoff` and `clock_time_get` of preview 1 over wasi:io/poll and wasi:clocks, as far as the engine and a guest
 * ask for them: the first subscription is the clock, relative, and the only one of its kind. Knows the layouts and the
 * descriptors; knows no channel.
 *
 * A turn makes no resource and allocates nothing: the list of pollables is one buffer, the host's answer lands in another,
 * and a clock that has not gone off serves the next turn, even if that would wait for longer. Then it goes off too early,
 * and the poll begins anew.
 */

import { ERRNO_BADF, ERRNO_SUCCESS } from "../../shared/errno";
import { ClockId, EventType, SUBSCRIPTION_SIZE, Subscription, writeEvent } from "../poll";
import { Descriptor, NONE, Stage, descriptorAt, readPollable, writePollable } from "./descriptors";
import { pendingOutputCount, finishSent, listPendingOutput, noteSent } from "./pending-output";
import { dropPollable, monotonicNow, poll, subscribeInstant, wallNow } from "./io";
import { landAt } from "./realloc";
import { NOT_YET, advance } from "./tcp";

const result = memory.data(16, 8);
const NS_PER_S: i64 = 1_000_000_000;

/** Pollables; then which subscription, or which descriptor that drains, each stands for; then the host's answer. */
let handles: usize = 0;
let owners: usize = 0;
let indexes: usize = 0;
let capacity: i32 = 0;

/** The clock that is running, and when it goes off; and one that always has. */
let clock: i32 = NONE;
let clockNs: i64 = 0;
let past: i32 = NONE;

/** WASI preview 1, poll_oneoff. */
export function poll_oneoff(subscriptionsAt: usize, eventsAt: usize, subscriptions: u32, eventCountAt: usize): i32 {
  const timeoutNs = i64(changetype<Subscription>(subscriptionsAt).timeout);
  let nowNs = monotonicNow();
  // 1 ns is how a turn says "do not wait".
  const deadlineNs = timeoutNs <= 1 ? nowNs : nowNs + timeoutNs;
  let count = pollOnce(subscriptionsAt, eventsAt, subscriptions, nowNs, deadlineNs);
  while (count == 0) {
    nowNs = monotonicNow();
    if (nowNs >= deadlineNs) break;
    count = pollOnce(subscriptionsAt, eventsAt, subscriptions, nowNs, deadlineNs);
  }
  store<i32>(eventCountAt, count);
  return ERRNO_SUCCESS;
}

/** Waits until one that drains has come to the end. */
export function pollPendingOutput(): void {
  pollOnce(0, 0, 1, monotonicNow(), i64.MAX_VALUE);
}

/** WASI preview 1, clock_time_get, of the monotonic and of the realtime clock. */
export function clock_time_get(id: u32, _precision: u64, timeAt: usize): i32 {
  if (id == ClockId.MONOTONIC) {
    store<i64>(timeAt, monotonicNow());
  } else {
    wallNow(result);
    store<i64>(timeAt, load<i64>(result) * NS_PER_S + load<u32>(result, 8));
  }
  return ERRNO_SUCCESS;
}

/** Polls until something is ready, or until about `deadlineNs`. @returns how many events there are: perhaps none */
function pollOnce(subscriptionsAt: usize, eventsAt: usize, subscriptions: u32, nowNs: i64, deadlineNs: i64): i32 {
  reserve(i32(subscriptions) + pendingOutputCount());
  let count = 0;
  let listed = 0;
  for (let i: u32 = 1; i < subscriptions; i++) {
    const subscription = changetype<Subscription>(subscriptionsAt + i * SUBSCRIPTION_SIZE);
    const descriptor = descriptorAt(subscription.id);
    if (descriptor === null) {
      tell(eventsAt, count++, subscription, ERRNO_BADF);
      continue;
    }
    const pollable = subscription.tag == EventType.FD_READ ? readPollable(descriptor) : writePollable(descriptor);
    if (pollable == NONE) continue;
    store<i32>(handles + 4 * listed, pollable);
    store<u32>(owners + 4 * listed, i);
    listed += 1;
  }
  const channels = listed;
  listed += pendingOutputCount();
  const pendingNs = listPendingOutput(handles + 4 * channels, owners + 4 * channels);
  const wakeNs = count > 0 ? nowNs : min(deadlineNs, pendingNs);
  store<i32>(handles + 4 * listed, clockFor(wakeNs, nowNs));

  landAt(indexes, 4 * (listed + 1));
  poll(handles, listed + 1, result);
  const answer = load<usize>(result);
  const ready = load<i32>(result, 4);
  for (let i = 0; i < ready; i++) {
    const index = load<i32>(answer + 4 * i);
    if (index < channels) {
      const at = subscriptionsAt + load<u32>(owners + 4 * index) * SUBSCRIPTION_SIZE;
      count = tellReady(eventsAt, count, changetype<Subscription>(at));
    } else if (index < listed) {
      noteSent(changetype<Descriptor>(load<usize>(owners + 4 * index)));
    }
  }
  if (answer != indexes) heap.free(answer);
  if (listed > channels) finishSent(monotonicNow());
  return count;
}

function tellReady(eventsAt: usize, count: i32, subscription: Subscription): i32 {
  const descriptor = descriptorAt(subscription.id);
  if (descriptor === null) return count;
  const stage = descriptor.stage;
  const errno = stage == Stage.LOOKING_UP || stage == Stage.CONNECTING ? advance(descriptor) : ERRNO_SUCCESS;
  if (errno == NOT_YET) return count;
  tell(eventsAt, count, subscription, errno);
  return count + 1;
}

function tell(eventsAt: usize, index: i32, subscription: Subscription, error: i32): void {
  writeEvent(eventsAt, index, subscription.userdata, subscription.tag, error);
}

/** A clock that goes off at `wakeNs`, or before. */
function clockFor(wakeNs: i64, nowNs: i64): i32 {
  if (wakeNs <= nowNs) {
    if (past == NONE) past = subscribeInstant(0);
    return past;
  }
  if (clock != NONE && clockNs > nowNs && clockNs <= wakeNs) return clock;
  if (clock != NONE) dropPollable(clock);
  clock = subscribeInstant(wakeNs);
  clockNs = wakeNs;
  return clock;
}

function reserve(count: i32): void {
  if (count <= capacity) return;
  capacity = max(64, 2 * count);
  if (handles != 0) heap.free(handles);
  handles = heap.alloc(<usize>capacity * 12);
  owners = handles + <usize>capacity * 4;
  indexes = owners + <usize>capacity * 4;
}
