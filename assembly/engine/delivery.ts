/**
 * Owns what a channel's readiness means: which events its handler is notified of, by the state of the channel, and in
 * what order. Knows the channel map, the ready list and the upcalls; knows nothing of polling, timers or the host.
 *
 * A callback may do anything to the map. So no record is kept across one: every step begins by checking that the channel
 * is still the one that was found ready.
 */

import { Flag, Ready, State, channelAt, isCurrent } from "./channels";
import { OUT_OF_BAND } from "./features";
import { refresh } from "./interest";
import { Entry, dropDelivered, entryAt, isAnyReady } from "./schedule";
import { statistics } from "./statistics";
import { Kind, Verdict, deliver } from "./upcalls";
import { ERRNO_BADF, ERRNO_NOMEM, ERRNO_NOSPC } from "../shared/errno";

/** How many connections a listener may accept in one turn. */
const ACCEPTS_A_TURN: i32 = 64;

let stopped: bool = false;

/** Has a handler requested the end of this turn? */
@inline
export function isStopped(): bool {
  return stopped;
}

/** A turn begins: a STOP of the last one no longer counts. */
@inline
export function clearStopped(): void {
  stopped = false;
}

/** Delivers the readiness of `count` entries, in one of asyncore's two orders. */
export function deliverAll(count: i32, byChannel: bool): void {
  if (byChannel) deliverByChannel(count);
  else deliverByKind(count);
  if (!stopped) dropDelivered();
}

/** As under select(2): all reads, then all writes, then all exceptional events; then failures. */
function deliverByKind(count: i32): void {
  if (isAnyReady(Ready.READ)) {
    for (let i = 0; i < count && !stopped; i++) deliverRead(entryAt(i));
  }
  if (isAnyReady(Ready.WRITE)) {
    for (let i = 0; i < count && !stopped; i++) deliverWrite(entryAt(i));
  }
  if (isAnyReady(Ready.PRIORITY)) {
    for (let i = 0; i < count && !stopped; i++) deliverExceptional(entryAt(i));
  }
  if (isAnyReady(Ready.HANGUP | Ready.ERROR)) {
    for (let i = 0; i < count && !stopped; i++) deliverFailure(entryAt(i), false, 0);
  }
}

/** As under poll(2): channel by channel read, write, exceptional, close; after a failure, the channel's others are dropped. */
function deliverByChannel(count: i32): void {
  for (let i = 0; i < count && !stopped; i++) {
    const readable: i32 = channelAt(entryAt(i).slot).ready & Ready.READ;
    if (deliverRead(entryAt(i)) && deliverWrite(entryAt(i)) && deliverExceptional(entryAt(i))) {
      deliverFailure(entryAt(i), true, readable);
    } else if (!stopped && isAlive(entryAt(i))) {
      channelAt(entryAt(i).slot).ready = 0;
    }
  }
}

/** Notifies a timer's handler. */
export function deliverTimer(slot: i32): void {
  statistics.timers += 1;
  notify(slot, Kind.TIMER, 0);
}


@inline
function isAlive(entry: Entry): bool {
  return isCurrent(entry.slot, entry.generation);
}

/** @returns whether the channel's other events may follow. */
function notify(slot: i32, kind: i32, detail: i32): bool {
  const verdict = deliver(slot, kind, detail);
  if (verdict & Verdict.STOP) stopped = true;
  return (verdict & (Verdict.STOP | Verdict.FAILED)) == 0;
}

function deliverRead(entry: Entry): bool {
  if (!isAlive(entry)) return true;
  const slot = entry.slot;
  const generation = entry.generation;
  let channel = channelAt(slot);
  // The most frequent case: input, and nothing else.
  if (channel.ready == Ready.READ && channel.state == State.OPEN && channel.interest & Ready.READ) {
    channel.ready = 0;
    statistics.reads += 1;
    return notify(slot, Kind.READ, 0);
  }
  if (!(channel.ready & Ready.READ)) return true;
  channel.ready &= ~Ready.READ;
  if (channel.state == State.ACCEPTING) {
    if (channel.ready & Ready.ERROR || !(channel.registered & Ready.READ)) return true;
    return acceptSome(slot, generation);
  }
  if (channel.state == State.CONNECTING) {
    if (!settleConnect(slot)) return false;
    if (!isCurrent(slot, generation)) return true;
    channel = channelAt(slot);
  }
  if (isBad(slot) || channel.state != State.OPEN || !(channel.interest & Ready.READ)) return true;
  statistics.reads += 1;
  return notify(slot, Kind.READ, 0);
}

function deliverWrite(entry: Entry): bool {
  if (!isAlive(entry)) return true;
  const slot = entry.slot;
  const generation = entry.generation;
  let channel = channelAt(slot);
  if (!(channel.ready & Ready.WRITE)) return true;
  channel.ready &= ~Ready.WRITE;
  if (channel.state == State.CONNECTING) {
    if (!settleConnect(slot)) return false;
    if (!isCurrent(slot, generation)) return true;
    channel = channelAt(slot);
  }
  if (isBad(slot) || channel.state != State.OPEN || !(channel.interest & Ready.WRITE)) return true;
  statistics.writes += 1;
  return notify(slot, Kind.WRITE, 0);
}

function deliverExceptional(entry: Entry): bool {
  if (!OUT_OF_BAND) return true;
  if (!isAlive(entry)) return true;
  const channel = channelAt(entry.slot);
  if (!(channel.ready & Ready.PRIORITY)) return true;
  channel.ready &= ~Ready.PRIORITY;
  if (channel.state != State.OPEN) return true;
  statistics.exceptionals += 1;
  return notify(entry.slot, Kind.EXCEPTIONAL, 0);
}

/**
 * Errors and hang-ups, after everything that can be read or written. A stream that reads is not notified: it reads on to
 * the end of its input, and finds the pending error there. Unless the host could not watch it: then no input will come.
 * A hang-up does not close a channel that was `readable` (0 or READ) and whose handler has stopped reading since: it may
 * hold input back, and finds the end when it reads again.
 */
function deliverFailure(entry: Entry, closeOnHangup: bool, readable: i32): void {
  if (!isAlive(entry)) return;
  const slot = entry.slot;
  const channel = channelAt(slot);
  const ready = channel.ready;
  channel.ready = 0;
  if (ready & Ready.ERROR) {
    if (channel.error == ERRNO_BADF) {
      statistics.closes += 1;
      notify(slot, Kind.CLOSE, 0);
    } else if (channel.state == State.ACCEPTING || isUnwatched(channel.error) || !readsStream(slot)) {
      notifyError(slot);
    }
    return;
  }
  const ended = (ready & (Ready.HANGUP | Ready.UNREAD)) == Ready.HANGUP;
  if (closeOnHangup && channel.state == State.OPEN && ended && !(readable & ~(<i32>channel.interest))) {
    statistics.closes += 1;
    notify(slot, Kind.CLOSE, 0);
  }
}

/** Does this error mean that the host lacks the resources to watch the channel? */
function isUnwatched(error: u16): bool {
  return error == ERRNO_NOMEM || error == ERRNO_NOSPC;
}

function readsStream(slot: i32): bool {
  const channel = channelAt(slot);
  return (channel.flags & Flag.STREAM) != 0 && (channel.interest & Ready.READ) != 0;
}

/** Is the descriptor not open at all? Then CLOSE is the only event left. */
function isBad(slot: i32): bool {
  const channel = channelAt(slot);
  return (channel.ready & Ready.ERROR) != 0 && channel.error == ERRNO_BADF;
}

/** A connecting channel is ready: it is connected now, or it has failed. @returns whether it may go on. */
function settleConnect(slot: i32): bool {
  const channel = channelAt(slot);
  if (channel.ready & Ready.ERROR) {
    if (channel.error == ERRNO_BADF) return true;
    channel.ready = 0;
    channel.state = State.IDLE;
    refresh(slot);
    notifyError(slot);
    return false;
  }
  channel.state = State.OPEN;
  refresh(slot);
  statistics.connects += 1;
  return notify(slot, Kind.CONNECT, 0);
}

function notifyError(slot: i32): void {
  const channel = channelAt(slot);
  const error = channel.error;
  channel.error = 0;
  statistics.errors += 1;
  notify(slot, Kind.ERROR, error);
}

function acceptSome(slot: i32, generation: u32): bool {
  for (let accepted = 0; accepted < ACCEPTS_A_TURN; accepted++) {
    statistics.accepts += 1;
    const verdict = deliver(slot, Kind.ACCEPT, 0);
    if (verdict & Verdict.STOP) stopped = true;
    if (verdict & (Verdict.STOP | Verdict.FAILED)) return false;
    if (!(verdict & Verdict.AGAIN)) return true;
    if (!isCurrent(slot, generation)) return true;
    const channel = channelAt(slot);
    if (channel.state != State.ACCEPTING || !(channel.registered & Ready.READ)) return true;
  }
  return true;
}
