/**
 * Owns the channel map: a table of slots, their generations, and the two lists that run through it (slots that are
 * free, and channels whose interest is sampled every turn). Knows nothing of polling or of handlers.
 *
 * A channel is named by slot and generation, so that an event for an earlier owner of a slot, or of a descriptor, is
 * never taken for its successor's. A slot freed during a turn is used again only after that turn.
 */

import { Interest, State } from "../shared/abi";
import { RECORDS_SIZE, Records } from "./records";

export { State };

/** Bits of interest and of readiness. */
export namespace Ready {
  export const READ: u8 = Interest.READ;
  export const WRITE: u8 = Interest.WRITE;
  export const PRIORITY: u8 = 4;
  export const HANGUP: u8 = 8;
  /** With HANGUP: data is left to read. */
  export const UNREAD: u8 = 16;
  export const ERROR: u8 = 32;
  /** With UNREAD: an earlier poll said so. */
  export const STALE: u8 = 64;
}

/** Properties of a channel. */
export namespace Flag {
  /** Its interest is sampled every turn. */
  export const SAMPLED: u8 = 1;
  /** A byte stream: unread input is delivered before an error. */
  export const STREAM: u8 = 2;
  /** Its input has ended: nothing can be read any more. */
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
  /** What a poll found and has not been delivered. */
  ready: u8;
  /** A listener that is not watched because the process is out of descriptors. */
  paused: bool;
  /** The pending error, a WASI errno. */
  error: u16;
  /** Indexes in the subscription array; 0, the clock's place, is none. */
  readAt: i32;
  writeAt: i32;
  /** One more than the index of its entry in the change log; 0 is none. */
  logAt: i32;
  /** Neighbours among the sampled; `next` also links free slots. NONE ends a list. */
  previous: i32;
  next: i32;
  /** Links the paused listeners. */
  nextPaused: i32;
}

/** No slot. */
export const NONE: i32 = -1;

const channels = changetype<Records<Channel>>(memory.data(RECORDS_SIZE));
let free: i32 = NONE;
/** Slots freed since the turn began. */
let resting: i32 = NONE;
let firstInList: i32 = NONE;
let lastInList: i32 = NONE;
/** The next channel to be sampled; moved on when a callback removes it. */
let cursor: i32 = NONE;
let nextSequence: u64 = 1;
let inUse: i32 = 0;


@inline
export function channelAt(slot: i32): Channel {
  return channels.at(slot);
}

/** Was this slot ever given out? Only then is there a record to look at. */
export function isSlot(slot: i32): bool {
  return <u32>slot < <u32>channels.length;
}

/** Is this the name of a channel in the map? */
export function isCurrent(slot: i32, generation: u32): bool {
  return isSlot(slot) && channels.at(slot).generation == generation && (generation & 1) == 1;
}

/** Notes what a channel wants; after the end of its input, reading is left out. */
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

/** Memory for one more channel. @returns whether there is some. */
export function reserveSlot(): bool {
  return free != NONE || channels.tryReserve(channels.length + 1);
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
  if (flags & Flag.SAMPLED) linkSampled(slot);
  inUse += 1;
  return slot;
}

export function removeChannel(slot: i32): void {
  const channel = channels.at(slot);
  if (channel.flags & Flag.SAMPLED) unlinkSampled(slot);
  channel.generation += 1;
  channel.next = resting;
  resting = slot;
  inUse -= 1;
}

/** Makes the slots that were freed since the last turn available again. */
export function releaseRestingSlots(): void {
  while (resting != NONE) {
    const slot = resting;
    const channel = channels.at(slot);
    resting = channel.next;
    channel.next = free;
    free = slot;
  }
}

/** The first channel to be sampled, or NONE. */
export function firstSampled(): i32 {
  cursor = firstInList;
  return nextSampled();
}

/** The next channel to be sampled, or NONE, whatever was added or removed meanwhile. */
export function nextSampled(): i32 {
  const slot = cursor;
  if (slot != NONE) cursor = channels.at(slot).next;
  return slot;
}

function linkSampled(slot: i32): void {
  const channel = channels.at(slot);
  channel.previous = lastInList;
  if (lastInList == NONE) firstInList = slot;
  else channels.at(lastInList).next = slot;
  lastInList = slot;
}

function unlinkSampled(slot: i32): void {
  const channel = channels.at(slot);
  if (cursor == slot) cursor = channel.next;
  if (channel.previous == NONE) firstInList = channel.next;
  else channels.at(channel.previous).next = channel.next;
  if (channel.next == NONE) lastInList = channel.previous;
  else channels.at(channel.next).previous = channel.previous;
}
