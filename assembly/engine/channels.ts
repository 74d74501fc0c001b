/**
 * Owns the channel map: a table of slots, their generations, and the two lists that run through it (slots that are
 * free, and channels that are asked for their interest every turn). Knows nothing of polling or of handlers.
 *
 * A channel is named by slot and generation, so that an event for an earlier owner of a slot, or of a descriptor, is
 * never taken for its successor's. A slot freed during a turn is used again only after that turn.
 */

import { RECORDS_SIZE, Records } from "./records";

/** Bits of interest and of readiness. */
export namespace Ready {
  export const READ: u8 = 1;
  export const WRITE: u8 = 2;
  export const PRIORITY: u8 = 4;
  export const HANGUP: u8 = 8;
  /** With HANGUP: something is left to read. */
  export const UNREAD: u8 = 16;
  export const ERROR: u8 = 32;
}

/** What a channel is at the moment; it decides what its readiness means. */
export namespace State {
  /** A stream socket that is neither connected nor listening: there is nothing to hear. */
  export const IDLE: u8 = 0;
  export const CONNECTING: u8 = 1;
  /** Connected, or in no need of a connection: a datagram socket, a pipe. */
  export const OPEN: u8 = 2;
  export const ACCEPTING: u8 = 3;
}

/** Properties of a channel. */
export namespace Flag {
  /** Its handler is asked for its interest every turn. */
  export const ASKED: u8 = 1;
  /** A byte stream: what is pending when an error comes is read before the error is told. */
  export const STREAM: u8 = 2;
  /** Its input has come to its end: there is nothing to read any more. */
  export const ENDED: u8 = 4;
}


@unmanaged
export class Channel {
  /** Grows by one when the slot is given out and when it is freed: odd while in use. */
  generation: u32;
  fd: i32;
  /** Order of addition, over the life of the map: channel order. */
  sequence: u64;
  state: u8;
  flags: u8;
  /** What the handler wants: READ, WRITE. */
  interest: u8;
  /** What the subscription array holds: READ, WRITE. */
  registered: u8;
  /** What the poll of this turn found and has not been delivered. */
  ready: u8;
  /** A listener that is out of descriptors. */
  paused: bool;
  /** Pending socket error, a WASI errno. */
  error: u16;
  /** Indexes in the subscription array; 0, the clock's place, is none. */
  readAt: i32;
  writeAt: i32;
  /** One more than the index of its entry in the change log; 0 is none. */
  logAt: i32;
  /** Neighbours among the asked; `next` also links free slots. -1 ends a list. */
  previous: i32;
  next: i32;
}

const NONE: i32 = -1;

const channels = changetype<Records<Channel>>(memory.data(RECORDS_SIZE));
let free: i32 = NONE;
/** Slots freed since the turn began. */
let resting: i32 = NONE;
let askedFirst: i32 = NONE;
let askedLast: i32 = NONE;
/** The next channel to be asked; kept right when a callback removes it. */
let askCursor: i32 = NONE;
let nextSequence: u64 = 1;
let inUse: i32 = 0;


@inline
export function channelAt(slot: i32): Channel {
  return channels.at(slot);
}

/** Is this the name of a channel in the map? */
export function isCurrent(slot: i32, generation: u32): bool {
  return <u32>slot < <u32>channels.length && channels.at(slot).generation == generation && (generation & 1) == 1;
}

/** Notes what a channel wants; after the end of its input that is not to read. */
export function setInterest(slot: i32, interest: i32): void {
  const channel = channels.at(slot);
  const possible = channel.flags & Flag.ENDED ? Ready.WRITE : Ready.READ | Ready.WRITE;
  channel.interest = u8(interest & possible);
}

export function channelCount(): i32 {
  return inUse;
}

/** The sequence that the next channel will get: every channel in the map has a smaller one. */
export function sequenceEnd(): u64 {
  return nextSequence;
}

export function addChannel(fd: i32, state: u8, flags: u8, interest: u8): i32 {
  let slot = free;
  if (slot == NONE) {
    slot = channels.add();
    channels.at(slot).generation = 0;
  } else {
    free = channels.at(slot).next;
  }
  const channel = channels.at(slot);
  channel.generation += 1;
  channel.fd = fd;
  channel.sequence = nextSequence++;
  channel.state = state;
  channel.flags = flags;
  channel.interest = interest;
  channel.registered = 0;
  channel.ready = 0;
  channel.paused = false;
  channel.error = 0;
  channel.readAt = 0;
  channel.writeAt = 0;
  channel.logAt = 0;
  channel.previous = NONE;
  channel.next = NONE;
  if (flags & Flag.ASKED) linkAsked(slot);
  inUse += 1;
  return slot;
}

export function removeChannel(slot: i32): void {
  const channel = channels.at(slot);
  if (channel.flags & Flag.ASKED) unlinkAsked(slot);
  channel.generation += 1;
  channel.next = resting;
  resting = slot;
  inUse -= 1;
}

/** Gives the slots freed in the last turn out again. */
export function releaseRestingSlots(): void {
  while (resting != NONE) {
    const slot = resting;
    const channel = channels.at(slot);
    resting = channel.next;
    channel.next = free;
    free = slot;
  }
}

/** The first channel to be asked, or -1. */
export function firstAsked(): i32 {
  askCursor = askedFirst;
  return nextAsked();
}

/** The next channel to be asked, or -1, whatever was added or removed meanwhile. */
export function nextAsked(): i32 {
  const slot = askCursor;
  if (slot != NONE) askCursor = channels.at(slot).next;
  return slot;
}

function linkAsked(slot: i32): void {
  const channel = channels.at(slot);
  channel.previous = askedLast;
  if (askedLast == NONE) askedFirst = slot;
  else channels.at(askedLast).next = slot;
  askedLast = slot;
}

function unlinkAsked(slot: i32): void {
  const channel = channels.at(slot);
  if (askCursor == slot) askCursor = channel.next;
  if (channel.previous == NONE) askedFirst = channel.next;
  else channels.at(channel.previous).next = channel.next;
  if (channel.next == NONE) askedLast = channel.previous;
  else channels.at(channel.next).previous = channel.previous;
}
