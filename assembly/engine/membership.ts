/**
 * Owns what may be asked of the engine about one channel: to come, to change, to leave. Every call names it by slot and
 * generation, and does nothing for one that has left. Knows the rooms that keep the map, the array of subscriptions and
 * the paused; knows nothing of who calls: engine.wasm's host, or the handler classes of a guest.
 */

import { Flag, Ready, addChannel, channelAt, isCurrent, removeChannel, setInterest } from "./channels";
import { forget, refresh } from "./interest";
import { noteFreed, pauseListener } from "./pause";
import { statistics } from "./statistics";
import { nowNs } from "./turn";

/** Adds a channel. `asked`: it is asked for its interest every turn. @returns its slot. */
export function channelAdd(fd: i32, state: i32, interest: i32, asked: bool, stream: bool): i32 {
  const flags = (asked ? Flag.ASKED : 0) | (stream ? Flag.STREAM : 0);
  const slot = addChannel(fd, u8(state), u8(flags), u8(interest & (Ready.READ | Ready.WRITE)));
  statistics.channels += 1;
  if (!asked) refresh(slot);
  return slot;
}

/** The generation of the channel in `slot`. */
export function channelGeneration(slot: i32): u32 {
  return channelAt(slot).generation;
}

/** Takes a channel out of the map. @returns false where there is no such channel. */
export function channelRemove(slot: i32, generation: u32): bool {
  if (!isCurrent(slot, generation)) return false;
  forget(slot);
  removeChannel(slot);
  noteFreed();
  return true;
}

/** Says what a channel wants from now on; one that is asked answers for itself. */
export function channelSetInterest(slot: i32, generation: u32, interest: i32): bool {
  if (!isCurrent(slot, generation)) return false;
  setInterest(slot, interest);
  refresh(slot);
  return true;
}

/** The channel's input has come to its end: from now on it is not watched for reading, whatever it wants. */
export function channelEndInput(slot: i32, generation: u32): bool {
  if (!isCurrent(slot, generation)) return false;
  const channel = channelAt(slot);
  channel.flags |= Flag.ENDED;
  setInterest(slot, channel.interest);
  refresh(slot);
  return true;
}

export function channelSetState(slot: i32, generation: u32, state: i32): bool {
  if (!isCurrent(slot, generation)) return false;
  channelAt(slot).state = u8(state);
  refresh(slot);
  return true;
}

/** Pauses a listener that is out of descriptors: until a channel is removed, or a second is over. */
export function channelPause(slot: i32, generation: u32): bool {
  if (!isCurrent(slot, generation)) return false;
  pauseListener(slot, nowNs());
  return true;
}

/** Takes the pending error of a stream that has come to its end. @returns a WASI errno, 0 for none. */
export function channelTakeError(slot: i32, generation: u32): i32 {
  if (!isCurrent(slot, generation)) return 0;
  const channel = channelAt(slot);
  const error = channel.error;
  channel.error = 0;
  channel.ready &= ~Ready.ERROR;
  return error;
}

/** What the channel is subscribed for at the moment. */
export function channelRegistered(slot: i32): i32 {
  return channelAt(slot).registered;
}
