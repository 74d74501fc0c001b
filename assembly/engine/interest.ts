/**
 * Owns what the host is to watch: the array of WASI subscriptions and the log of its changes. Knows the channel map and
 * the WASI layouts; knows nothing of turns or of handlers.
 *
 * Index 0 of the array is the clock; a channel has at most one subscription a direction, found by the indexes that
 * its record keeps, and removed by moving the last one to its place. So a change costs O(1), and the array is always
 * what a stock `poll_oneoff` expects. The log holds one entry for each channel that changed since the last poll: a host
 * that knows it need not read the array.
 */

import { Change } from "../shared/abi";
import { Channel, Ready, State, channelAt, reserveSlot } from "./channels";
import { CHANGE_LOG, OWN_MEMORY } from "./features";
import { RECORDS_SIZE, Records } from "./records";
import { statistics } from "./statistics";
import { ClockId, Event, EventType, SUBSCRIPTION_SIZE, Subscription } from "../wasi/poll";

const subscriptions = changetype<Records<Subscription>>(memory.data(RECORDS_SIZE));
const events = changetype<Records<Event>>(memory.data(RECORDS_SIZE));
const log = changetype<Records<Change>>(memory.data(RECORDS_SIZE));
/** Channels in the map that have an entry in the log. */
let logged: i32 = 0;

// The channels come first in memory. Of the other arrays most is reserved and never used, and the host gives memory where it
// is touched: so none of them may be where something else was before.
if (OWN_MEMORY) reserveSlot();
reserveSubscriptions(0);
const clock = subscriptions.at(subscriptions.add());
clock.userdata = U64.MAX_VALUE;
clock.tag = EventType.CLOCK;
clock.id = ClockId.MONOTONIC;
clock.precision = 0;
clock.flags = 0;

/** What a channel is to be watched for, by its state. */
function watched(channel: Channel): u8 {
  const state = channel.state;
  if (state == State.OPEN) return channel.interest;
  if (state == State.CONNECTING) return channel.interest | Ready.WRITE;
  if (state == State.ACCEPTING && !channel.paused) return channel.interest & Ready.READ;
  return 0;
}

/** Brings the array and the log in step with the channel's interest and state. */
export function refresh(slot: i32): void {
  const channel = channelAt(slot);
  register(slot, channel, watched(channel));
}

/** Takes the channel out of the array, and logs it. */
export function forget(slot: i32): void {
  const channel = channelAt(slot);
  register(slot, channel, 0);
  if (CHANGE_LOG && channel.logAt != 0) logged -= 1;
}

/**
 * Memory for whatever `count` channels may come to be watched for: two subscriptions each, and an entry in the log for
 * each that has none. So neither a change of interest nor a removal ever needs more. @returns whether there is some.
 */
export function reserveSubscriptions(count: i32): bool {
  return subscriptions.tryReserve(1 + 2 * count) && log.tryReserve(log.length + count - logged);
}

function register(slot: i32, channel: Channel, wanted: u8): void {
  const changed = channel.registered ^ wanted;
  if (changed == 0) return;
  const userdata = ((<u64>channel.generation) << 32) | (<u64>slot);
  if (changed & Ready.READ) {
    if (wanted & Ready.READ) channel.readAt = subscribe(userdata, EventType.FD_READ, channel.fd);
    else {
      unsubscribe(channel.readAt);
      channel.readAt = 0;
    }
  }
  if (changed & Ready.WRITE) {
    if (wanted & Ready.WRITE) channel.writeAt = subscribe(userdata, EventType.FD_WRITE, channel.fd);
    else {
      unsubscribe(channel.writeAt);
      channel.writeAt = 0;
    }
  }
  channel.registered = wanted;
  logChange(slot, channel);
  statistics.changes += 1;
}

function subscribe(userdata: u64, tag: u8, fd: i32): i32 {
  const index = subscriptions.add();
  const subscription = subscriptions.at(index);
  subscription.userdata = userdata;
  subscription.tag = tag;
  subscription.id = fd;
  return index;
}

function unsubscribe(index: i32): void {
  const last = subscriptions.length - 1;
  subscriptions.length = last;
  if (index == last) return;
  memory.copy(changetype<usize>(subscriptions.at(index)), changetype<usize>(subscriptions.at(last)), SUBSCRIPTION_SIZE);
  const moved = subscriptions.at(index);
  const owner = channelAt(<i32>moved.userdata);
  if (moved.tag == EventType.FD_READ) owner.readAt = index;
  else owner.writeAt = index;
}

function logChange(slot: i32, channel: Channel): void {
  if (!CHANGE_LOG) return;
  if (channel.logAt == 0) {
    const index = log.add();
    const change = log.at(index);
    change.fd = channel.fd;
    change.slot = slot;
    change.generation = channel.generation;
    channel.logAt = index + 1;
    logged += 1;
  }
  log.at(channel.logAt - 1).interest = channel.registered;
}

/** Empties the log: the host has read it. */
export function clearLog(): void {
  if (!CHANGE_LOG) return;
  for (let i = 0; i < log.length; i++) {
    const channel = channelAt(log.at(i).slot);
    channel.logAt = 0;
  }
  log.length = 0;
  logged = 0;
}


@inline
export function changeCount(): i32 {
  return log.length;
}


@inline
export function changesAt(): usize {
  return log.base;
}

/** Sets how long the next poll may wait. */
export function setTimeoutNs(timeoutNs: u64): void {
  subscriptions.at(0).timeout = timeoutNs;
}


@inline
export function subscriptionCount(): i32 {
  return subscriptions.length;
}


@inline
export function subscriptionsAt(): usize {
  return subscriptions.base;
}

/**
 * Memory for what a poll can return: an event a subscription, `more` than there are now, and one for out-of-band data for
 * each that reads. @returns whether there is some.
 */
export function reserveEvents(more: i32): bool {
  return events.tryReserve(2 * (subscriptions.length + more));
}

/** Where the next poll is to write its events. */
export function eventsAt(): usize {
  if (!OWN_MEMORY) reserveEvents(0);
  return events.base;
}


@inline
export function eventCapacity(): i32 {
  return events.capacity;
}


@inline
export function eventAt(index: i32): Event {
  return events.at(index);
}
