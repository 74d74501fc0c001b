/**
 * Owns which handler stands behind a slot of the engine, and keeps it alive while it does. Knows the seam in channel.ts;
 * knows no handler class. A guest has one map a module: the engine's.
 */

import { channelAdd, channelGeneration, channelRegistered, channelRemove } from "../engine/membership";
import { Ready, channelAt } from "../engine/channels";
import { Channel } from "./channel";
import { newStaticArray, withRoom } from "./memory";

/** By slot. */
let channels = newStaticArray<Channel | null>(64);
/**
 * Lists by the lowest bits of the descriptor, as many as `channels` has places: a power of two. A descriptor itself is no
 * index, for hosts may give out any number below 2^31: WasmEdge's are random.
 */
let lists = newStaticArray<Channel | null>(64);
/** Handlers that left something of what was read ahead, in a list. */
let firstKeeping: Channel | null = null;

export function addChannel(channel: Channel, state: u8, interest: i32, sampled: bool, stream: bool): void {
  const fd = channel.fd;
  // As in asyncore's map, a descriptor has one channel: the newest.
  const former = channelOf(fd);
  if (former !== null) removeChannel(former);
  const slot = channelAdd(fd, state, interest, sampled, stream);
  channel._slot = slot;
  channel._generation = channelGeneration(slot);
  if (slot >= channels.length) grow(slot);
  unchecked((channels[slot] = channel));
  link(channel);
}

/** Takes it out of the map; does nothing for one that is not in it. */
export function removeChannel(channel: Channel): void {
  const slot = channel._slot;
  if (slot < 0) return;
  unlink(channel);
  channel._slot = -1;
  if (channelRemove(slot, channel._generation)) unchecked((channels[slot] = null));
}


@inline
export function channelIn(slot: i32): Channel | null {
  return slot < channels.length ? unchecked(channels[slot]) : null;
}

/** The channel on a descriptor. */
export function channelOf(fd: i32): Channel | null {
  let channel = unchecked(lists[listOf(fd)]);
  while (channel !== null && channelAt(channel._slot).fd != fd) channel = channel._nextAlike;
  return channel;
}

/** All of them, in channel order: that in which they came into the map. */
export function allChannels(): Channel[] {
  const all = new Array<Channel>();
  for (let slot = 0; slot < channels.length; slot++) {
    const channel = channels[slot];
    if (channel !== null) all.push(channel);
  }
  return all.sort((a, b) => (channelAt(a._slot).sequence < channelAt(b._slot).sequence ? -1 : 1));
}

/** It has left something to read. */
export function noteKeeping(channel: Channel): void {
  if (channel._isKeeping) return;
  channel._isKeeping = true;
  channel._nextKeeping = firstKeeping;
  firstKeeping = channel;
}

/** The first of those that left something and are still there: forgets the others. They go on by `nextKeeping`. */
export function keepingChannels(): Channel | null {
  let channel = firstKeeping;
  let kept: Channel | null = null;
  while (channel !== null) {
    const next = channel._nextKeeping;
    channel._isKeeping = channel._slot >= 0 && channel._keepAhead();
    channel._nextKeeping = channel._isKeeping ? kept : null;
    if (channel._isKeeping) kept = channel;
    channel = next;
  }
  firstKeeping = kept;
  return kept;
}

/** Does it want to read now? */
export function wantsToRead(channel: Channel): bool {
  return (channelRegistered(channel._slot) & Ready.READ) != 0;
}


@inline
function listOf(fd: i32): i32 {
  return fd & (lists.length - 1);
}

function link(channel: Channel): void {
  // The descriptor it came with: its own is gone once it is closed.
  const at = listOf(channelAt(channel._slot).fd);
  channel._nextAlike = unchecked(lists[at]);
  unchecked((lists[at] = channel));
}

function unlink(channel: Channel): void {
  const at = listOf(channelAt(channel._slot).fd);
  let before: Channel | null = null;
  let other = unchecked(lists[at]);
  while (other !== null && other !== channel) {
    before = other;
    other = other._nextAlike;
  }
  if (before === null) unchecked((lists[at] = channel._nextAlike));
  else before._nextAlike = channel._nextAlike;
  channel._nextAlike = null;
}

function grow(slot: i32): void {
  channels = withRoom<Channel | null>(channels, slot);
  lists = newStaticArray<Channel | null>(channels.length);
  for (let i = 0; i < slot; i++) {
    const channel = unchecked(channels[i]);
    if (channel !== null) link(channel);
  }
}
