/**
 * Owns the ready list: which channels a poll found ready, in channel order. Knows the channel map and the WASI event
 * layout; knows nothing of how readiness is delivered.
 *
 * Several events of one channel become one entry; its readiness gathers in the channel's record.
 */

import { Channel, Ready, channelAt, isCurrent } from "./channels";
import { eventAt } from "./interest";
import { RECORDS_SIZE, Records } from "./records";
import { statistics } from "./statistics";
import { ERRNO_SUCCESS } from "../shared/errno";
import { Event, EventType, EVENT_HANGUP } from "../wasi/poll";

/** A channel that is ready. Entries are in order of `sequence` when {@link schedule} is done. */
@unmanaged
export class Entry {
  sequence: u64;
  slot: i32;
  generation: u32;
}

const entries = changetype<Records<Entry>>(memory.data(RECORDS_SIZE));
/** All readiness of this turn together. */
let seen: u8 = 0;


@inline
export function entryAt(index: i32): Entry {
  return entries.at(index);
}

/** Has any entry readiness of these kinds? */
@inline
export function isAnyReady(kinds: u8): bool {
  return (seen & kinds) != 0;
}

/** Is there readiness that a stopped turn did not deliver? */
export function hasLeftover(): bool {
  for (let i = 0; i < entries.length; i++) {
    if (isLeft(entries.at(i))) return true;
  }
  return false;
}

/** Memory for `count` ready channels. @returns whether there is some. */
export function reserveEntries(count: i32): bool {
  return entries.tryReserve(count);
}

/** Adds the `count` events that the poll wrote to the readiness left over. @returns how many channels are ready. */
export function schedule(count: i32): i32 {
  seen = 0;
  keepLeftover();
  for (let i = 0; i < count; i++) {
    const event = eventAt(i);
    if (event.type != EventType.CLOCK) take(event);
  }
  sort();
  return entries.length;
}

/** Removes all entries: they were delivered. */
@inline
export function dropDelivered(): void {
  entries.length = 0;
}

/**
 * Removes the entries that the last turn delivered before it was stopped, and those whose channel has left the map. The
 * others are kept, because a host reports an error only once; their other readiness may be out of date by now, which
 * does no harm.
 */
function keepLeftover(): void {
  let kept = 0;
  for (let i = 0; i < entries.length; i++) {
    const entry = entries.at(i);
    if (!isLeft(entry)) continue;
    const channel = channelAt(entry.slot);
    if (channel.ready & Ready.UNREAD) channel.ready |= Ready.STALE;
    seen |= channel.ready;
    put(kept, entry.sequence, entry.slot, entry.generation);
    kept += 1;
  }
  entries.length = kept;
}

function isLeft(entry: Entry): bool {
  return isCurrent(entry.slot, entry.generation) && channelAt(entry.slot).ready != 0;
}

function take(event: Event): void {
  statistics.events += 1;
  const slot = <i32>event.userdata;
  const generation = <u32>(event.userdata >> 32);
  if (!isCurrent(slot, generation)) {
    statistics.dropped += 1;
    return;
  }
  const channel = channelAt(slot);
  if (channel.ready == 0) {
    put(entries.add(), channel.sequence, slot, generation);
  }
  gather(channel, event);
}

function gather(channel: Channel, event: Event): void {
  let ready: u8 = 0;
  if (event.type == EventType.FD_READ) ready = Ready.READ;
  else if (event.type == EventType.FD_WRITE) ready = Ready.WRITE;
  else if (event.type == EventType.FD_PRIORITY) ready = Ready.PRIORITY;
  if (event.flags & EVENT_HANGUP) {
    if (channel.ready & Ready.STALE) channel.ready &= ~(Ready.UNREAD | Ready.STALE);
    // One event of a channel is enough to say that data is left: a write event need not count the bytes to read.
    ready |= event.nbytes == 0 ? Ready.HANGUP : Ready.HANGUP | Ready.UNREAD;
  }
  if (event.error != ERRNO_SUCCESS) {
    ready |= Ready.ERROR;
    channel.error = event.error;
  }
  channel.ready |= ready;
  seen |= ready;
}

/** Shell sort: in place, and a single pass when the entries are in order already. */
function sort(): void {
  let gap = 1;
  while (gap < entries.length / 9) gap = 3 * gap + 1;
  while (gap > 0) {
    for (let i = gap; i < entries.length; i++) sink(i, gap);
    gap /= 3;
  }
}

function sink(from: i32, gap: i32): void {
  const sequence = entries.at(from).sequence;
  if (from < gap || entries.at(from - gap).sequence <= sequence) return;
  const slot = entries.at(from).slot;
  const generation = entries.at(from).generation;
  let i = from;
  while (i >= gap && entries.at(i - gap).sequence > sequence) {
    const later = entries.at(i - gap);
    put(i, later.sequence, later.slot, later.generation);
    i -= gap;
  }
  put(i, sequence, slot, generation);
}

/** Field by field: for so few bytes a host's memory.copy costs more than what it copies. */
@inline
function put(index: i32, sequence: u64, slot: i32, generation: u32): void {
  const entry = entries.at(index);
  entry.sequence = sequence;
  entry.slot = slot;
  entry.generation = generation;
}
