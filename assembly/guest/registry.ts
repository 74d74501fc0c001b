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

/** By slot. */
const channels = new Array<Channel | null>();
/** One more than the slot, by descriptor; 0 is none. */
let slots = new StaticArray<i32>(64);
/** Handlers that left something of what was read ahead. */
const keeping = new Array<Channel>();

export function addChannel(channel: Channel, state: u8, interest: i32, asked: bool, stream: bool): void {
  const fd = channel.fd;
  // As in asyncore's map, a descriptor has one channel: the newest.
  const former = channelOf(fd);
  if (former !== null) removeChannel(former);
  const slot = channelAdd(fd, state, interest, asked, stream);
  channel.slot = slot;
  channel.generation = channelGeneration(slot);
  while (channels.length <= slot) channels.push(null);
  channels[slot] = channel;
  if (fd >= slots.length) {
    const grown = new StaticArray<i32>(max(fd + 1, 2 * slots.length));
    memory.copy(changetype<usize>(grown), changetype<usize>(slots), usize(slots.length) << 2);
    slots = grown;
  }
  slots[fd] = slot + 1;
}

/** Takes it out of the map; does nothing for one that is not in it. */
export function removeChannel(channel: Channel): void {
  const slot = channel.slot;
  if (slot < 0) return;
  channel.slot = -1;
  if (!channelRemove(slot, channel.generation)) return;
  channels[slot] = null;
  const fd = channel.fd;
  if (fd >= 0 && fd < slots.length && slots[fd] == slot + 1) slots[fd] = 0;
}

@inline
export function channelIn(slot: i32): Channel | null {
  return slot < channels.length ? channels[slot] : null;
}

/** The channel on a descriptor. */
export function channelOf(fd: i32): Channel | null {
  return fd >= 0 && fd < slots.length && slots[fd] > 0 ? channels[slots[fd] - 1] : null;
}

/** All of them, in channel order: that in which they came into the map. */
export function allChannels(): Channel[] {
  const all = new Array<Channel>();
  for (let slot = 0; slot < channels.length; slot++) {
    const channel = channels[slot];
    if (channel !== null) all.push(channel);
  }
  return all.sort((a, b) => (channelAt(a.slot).sequence < channelAt(b.slot).sequence ? -1 : 1));
}

/** It has left something to read. */
export function noteKeeping(channel: Channel): void {
  if (channel.isKeeping) return;
  channel.isKeeping = true;
  keeping.push(channel);
}

/** Those that left something and are still to be told: forgets the others. @returns how many. */
export function countKeeping(): i32 {
  let kept = 0;
  for (let i = 0; i < keeping.length; i++) {
    const channel = keeping[i];
    channel.isKeeping = channel.slot >= 0 && channel.keepAhead();
    if (channel.isKeeping) keeping[kept++] = channel;
  }
  keeping.length = kept;
  return kept;
}

/** One of those; null where it does not want to read now. */
export function keepingAt(index: i32): Channel | null {
  const channel = keeping[index];
  return channelRegistered(channel.slot) & Ready.READ ? channel : null;
}
