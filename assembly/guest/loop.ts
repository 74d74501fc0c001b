/**
 * Owns the loop: `loop`, `poll`, `turn` for hosts that drive the guest turn by turn, and `closeAll`; and what the engine
 * calls. Knows the registry, the timers and the seam in channel.ts; knows no handler class.
 */

import { State, channelCount } from "../engine/channels";
import { subscriptionCount, subscriptionsAt } from "../engine/interest";
import { channelSetState } from "../engine/membership";
import { timerCount } from "../engine/timers";
import { isTurning, prepare, run, setPoll } from "../engine/turn";
import { Kind, Verdict, setUpcalls } from "../engine/upcalls";
import { ERRNO_ALREADY, ERRNO_BADF, ERRNO_IO, ERRNO_SUCCESS } from "../shared/errno";
import { noteWatched, setLastLoop } from "../wasi/last-loop";
import { EventType, Subscription, writeEvent } from "../wasi/poll";
import { pollPortably } from "../wasi/portable-poll";
import { connectError, exitProcess } from "../wasi/system";
import { acceptedChannel, acceptedConnection, noteAccepted } from "./acceptance";
import { ascii } from "./ascii";
import { errorCode } from "./error-codes";
import { Channel, uncaptured } from "./channel";
import { socketMap } from "./channel-map";
import { collectBetweenTurns, holdExisting, releaseExisting } from "./collector";
import { OSError, endsCallback, enterLoop, hasError, isDisconnect, isLeaving, raise, takeError } from "./errors";
import { print, printError } from "./messages";
import { allChannels, channelIn, keepingChannels, noteKeeping, wantsToRead } from "./registry";
import { fireTimer, toNs } from "./timers";

/** Options of {@link loop}; asyncore's. */
export class LoopOptions {
  /** How long one poll may wait; Infinity: until something happens. */
  timeoutMs: f64 = 30_000;
  /** Channel by channel (true, poll(2)), or all reads, all writes, all exceptional events (false, select(2)). */
  usePoll: bool = false;
  /** How many turns; otherwise until no channel and no timer is left. */
  count: f64 = Infinity;
}

let byChannel: bool = false;
let looping: bool = false;

if (!isDefined(WASYNCORE_PROFILE)) ERROR("programs with this library are compiled by: wasyncore build");

setUpcalls(ask, deliver);
setPoll(pollChannels);

/**
 * Runs until no channel and no timer is left, until `count` turns are over, or until `exitNow`. What on Node would
 * be thrown from it ends the program: it says what, and exits with status 1. asyncore.loop.
 */
export function loop(options: LoopOptions = new LoopOptions()): void {
  if (looping || isTurning()) {
    raise(new OSError(ERRNO_ALREADY, ascii("loop"), ascii("a loop is running")));
    return;
  }
  looping = true;
  enterLoop();
  holdExisting();
  for (let turns: f64 = 0; turns < options.count && !isIdle() && !isLeaving(); turns += 1) {
    if (turnOnce(toNs(options.timeoutMs), options.usePoll) < 0) exitProcess(1);
    collectBetweenTurns();
  }
  releaseExisting();
  if (reportUncaught() < 0) exitProcess(1);
  looping = false;
}

/** The same: in a guest there is no other loop to run on. */
export function loopSync(options: LoopOptions = new LoopOptions()): void {
  loop(options);
}

let lastTimeoutNs: i64 = 0;
let lastUsePoll: bool = false;
let lastTurns: f64 = 0;

/**
 * What a build for WASI 0.3 makes of a call of {@link loop} that a program ends with: the program returns to its host,
 * which calls back for each turn. See assembly/wasi/async/program.ts.
 */
@global
export function wasyncoreLastLoop(options: LoopOptions = new LoopOptions()): void {
  if (looping || isTurning()) {
    raise(new OSError(ERRNO_ALREADY, ascii("loop"), ascii("a loop is running")));
    return;
  }
  looping = true;
  enterLoop();
  lastTimeoutNs = toNs(options.timeoutMs);
  lastUsePoll = options.usePoll;
  lastTurns = options.count;
  setLastLoop(beginLastTurn, endLastTurn);
}

function beginLastTurn(): i64 {
  if (lastTurns <= 0 || isIdle() || isLeaving()) return leaveLastLoop();
  byChannel = lastUsePoll;
  if (hasError()) return leaveLastLoop();
  const waitNs = prepare(lastTimeoutNs);
  if (hasError() || isLeaving()) return leaveLastLoop();
  noteWatched(subscriptionsAt(), subscriptionCount());
  return isIdle() || keepingChannels() !== null ? 0 : waitNs;
}

function endLastTurn(): void {
  lastTurns -= 1;
  if (deliverTurn(0, lastUsePoll) < 0) exitProcess(1);
  collectBetweenTurns();
}

function leaveLastLoop(): i64 {
  if (reportUncaught() < 0) exitProcess(1);
  looping = false;
  return -1;
}

/** Options of {@link poll}. */
export class PollOptions {
  timeoutMs: f64 = 0;
  usePoll: bool = false;
}

/** One turn. asyncore.poll, and with `usePoll` asyncore.poll2. */
export function poll(options: PollOptions = new PollOptions()): void {
  loop({ timeoutMs: options.timeoutMs, usePoll: options.usePoll, count: 1 });
}

/**
 * One turn, for a host that drives the guest: waits at most `timeoutNs`, 0 for not at all. A program itself calls
 * {@link poll}: after this, what only its functions hold may be collected.
 * @returns how many channels were ready; or a negative errno: an error was not taken, and has been written to
 * standard error. The guest may go on.
 */
export function turn(timeoutNs: i64): i32 {
  if (looping || isTurning()) return -ERRNO_ALREADY;
  enterLoop();
  const ready = turnOnce(timeoutNs, false);
  collectBetweenTurns();
  return ready;
}

/** How many channels and timers there are: at 0 there is nothing left to wait for. */
export function pending(): i32 {
  return channelCount() + timerCount();
}

/** Options of {@link closeAll}. */
export class CloseAllOptions {
  ignoreAll: bool = false;
}

/** Closes every channel and cancels the timers. Of the errors of `close` the first is noted, unless `ignoreAll`. asyncore.close_all. */
export function closeAll(options: CloseAllOptions = new CloseAllOptions()): void {
  const before = takeError();
  let first: OSError | null = null;
  const channels = allChannels();
  for (let i = 0; i < channels.length; i++) {
    channels[i].close();
    const error = takeError();
    if (error !== null && error.errno != -ERRNO_BADF && first === null) first = error;
  }
  socketMap.cancelTimers();
  if (before !== null) raise(before);
  if (first !== null && !options.ignoreAll) raise(first);
}

function isIdle(): bool {
  return pending() == 0;
}

function turnOnce(timeoutNs: i64, usePoll: bool): i32 {
  byChannel = usePoll;
  if (hasError()) return reportUncaught();
  const waitNs = prepare(timeoutNs);
  if (hasError()) return reportUncaught();
  // As on Node, where `readable` and `writable` leave the loop before the poll.
  if (isLeaving()) return 0;
  return deliverTurn(isIdle() ? 0 : waitNs, usePoll);
}

/** The second half of a turn. */
@inline
function deliverTurn(waitNs: i64, usePoll: bool): i32 {
  const ready = run(waitNs, usePoll);
  if (hasError()) return reportUncaught();
  if (ready < 0) printError(ascii("poll_oneoff ") + errorCode(-ready) + ascii(": the host cannot wait"));
  return ready;
}

/** An error that was not taken leaves the loop. @returns its errno, negative. */
function reportUncaught(): i32 {
  const error = takeError();
  if (error === null) return 0;
  printError(ascii("uncaught ") + error.toString());
  return error.errno < 0 ? error.errno : -ERRNO_IO;
}

/** The poll of a turn: what handlers left of what was read ahead is ready as well, whatever the host says. */
function pollChannels(subscriptionsAt: usize, eventsAt: usize, subscriptions: u32, eventCountAt: usize): i32 {
  let next = keepingChannels();
  if (next !== null) changetype<Subscription>(subscriptionsAt).timeout = 1;
  const errno = pollPortably(subscriptionsAt, eventsAt, subscriptions, eventCountAt);
  if (errno != ERRNO_SUCCESS) return errno;
  let count = load<i32>(eventCountAt);
  while (next !== null) {
    const channel = next;
    next = channel._nextKeeping;
    if (!wantsToRead(channel)) continue;
    const userdata = (u64(channel._generation) << 32) | u64(channel._slot);
    writeEvent(eventsAt, count++, userdata, EventType.FD_READ, ERRNO_SUCCESS);
  }
  store<i32>(eventCountAt, count);
  return errno;
}

function ask(slot: i32): i32 {
  const channel = channelIn(slot);
  if (channel === null) return 0;
  const interest = channel.sampleInterest();
  const error = takeError();
  if (error === null) return interest;
  fail(channel, error, byChannel);
  return 0;
}

function deliver(slot: i32, kind: i32, detail: i32): i32 {
  if (kind == Kind.TIMER) {
    fireTimer(slot);
    return endsCallback() ? Verdict.STOP : 0;
  }
  const channel = channelIn(slot);
  if (channel === null) return 0;
  let more = false;
  if (kind == Kind.ACCEPT) {
    noteAccepted(null);
    more = channel.handleAcceptEvent();
  } else if (kind == Kind.CONNECT) deliverConnect(channel);
  else if (kind == Kind.READ) deliverRead(channel);
  else if (kind == Kind.WRITE) channel.handleWriteEvent();
  else if (kind == Kind.CLOSE) channel.handleCloseEvent();
  // A handler that read to the end has taken the error already.
  else if (kind == Kind.ERROR && detail != 0) raise(channel.socketError(detail));
  const error = takeError();
  if (error !== null) {
    if (kind != Kind.ACCEPT || !failAccepted(channel, error)) return fail(channel, error, byChannel);
  }
  return endsCallback() ? Verdict.STOP : more ? Verdict.AGAIN : 0;
}

/** The host has reported that a connection is made or has failed, but not which. */
function deliverConnect(channel: Channel): void {
  const errno = connectError(channel.fd);
  if (errno == ERRNO_SUCCESS) {
    channel.handleConnectEvent();
    return;
  }
  channelSetState(channel._slot, channel._generation, State.IDLE);
  raise(channel.socketError(errno));
}

function deliverRead(channel: Channel): void {
  if (!channel._readAhead()) return;
  channel.handleReadEvent();
  if (channel._keepAhead()) noteKeeping(channel);
}

/**
 * What goes wrong while a connection is set up is the error of its channel, or else is logged, and is not the listener's.
 * @returns whether there is such a connection
 */
function failAccepted(listener: Channel, error: OSError): bool {
  const connection = acceptedConnection();
  if (connection === null) return false;
  const channel = acceptedChannel();
  if (channel !== null) {
    fail(channel, error, false);
  } else {
    connection.close();
    listener.logInfo(uncaptured(ascii(" on a new connection, closing it"), error), "error");
  }
  return true;
}

/** asyncore: what means "the peer is gone" closes, under poll(2) order; all else is an error. */
function fail(channel: Channel, error: OSError, closesWhenGone: bool): i32 {
  if (channel.fd < 0) {
    // No callback after close. A program that goes on to use a channel which `recv` has closed makes no mistake.
    if (error.errno == -ERRNO_BADF) return 0;
    print(ascii("error: ") + uncaptured(ascii(" on closed channel ") + channel.toString(), error));
  } else if (closesWhenGone && error.errno < 0 && isDisconnect(-error.errno)) channel.handleCloseEvent();
  else channel.handleError(error);
  return endsCallback() ? Verdict.STOP : Verdict.FAILED;
}
