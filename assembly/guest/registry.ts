/**
 * Owns which handler stands behind a slot of the engine, and keeps it alive while it does. Knows the seam in channel.ts;
 * knows no handler class. A guest has one map a module: the engine's.
 */

import {
  channelAdd,
  channelGeneration,
  channelRegistered,
  channelRemove,
} from "../engine/membership";
import { Ready, channelAt } from "../engine/channels";
import { Channel } from "./channel";
import { newStaticArray, withRoom } from "./memory";

/** By slot. */
let channels = newStaticArray<Channel | null>(64);
/** One more than the slot, by descriptor; 0 is none. */
let slots = newStaticArray<i32>(64);
/** Handlers that left something of what was read ahead, in a list. */
let firstKeeping: Channel | null = null;

export function addChannel(channel: Channel, state: u8, interest: i32, asked: bool, stream: bool): void {
  const fd = channel.fd;
  // As in asyncore's map, a descriptor has one channel: the newest.
  const former = channelOf(fd);
  if (former !== null) removeChannel(former);
  const slot = channelAdd(fd, state, interest, asked, stream);
  channel._slot = slot;
  channel._generation = channelGeneration(slot);
  channels = withRoom<Channel | null>(channels, slot);
  slots = withRoom<i32>(slots, fd);
  unchecked((channels[slot] = channel));
  unchecked((slots[fd] = slot + 1));
}

/** Takes it out of the map; does nothing for one that is not in it. */
export function removeChannel(channel: Channel): void {
  const slot = channel._slot;
  if (slot < 0) return;
  channel._slot = -1;
  if (!channelRemove(slot, channel._generation)) return;
  unchecked((channels[slot] = null));
  const fd = channel.fd;
  if (fd >= 0 && fd < slots.length && unchecked(slots[fd]) == slot + 1) unchecked((slots[fd] = 0));
}

@inline
export function channelIn(slot: i32): Channel | null {
  return slot < channels.length ? unchecked(channels[slot]) : null;
}

/** The channel on a descriptor. */
export function channelOf(fd: i32): Channel | null {
  return fd >= 0 && fd < slots.length && unchecked(slots[fd]) > 0 ? unchecked(channels[slots[fd] - 1]) : null;
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
