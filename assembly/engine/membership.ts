/**
 * Owns the calls about one channel: adding, changing and removing it. Each names it by slot and generation, and does
 * nothing for one that has left the map. Knows what keeps the map, the array of subscriptions and the paused listeners;
 * knows nothing of who calls: engine.wasm's host, or the handler classes of a guest.
 */

import { Pause } from "../shared/abi";
import { Flag, Ready, addChannel, channelAt, isCurrent, removeChannel, setInterest } from "./channels";
import { forget, refresh } from "./interest";
import { pauseListener, resumePaused } from "./pause";
import { statistics } from "./statistics";
import { nowNs } from "./turn";

/** Adds a channel. `sampled`: its interest is sampled every turn. @returns its slot. */
export function channelAdd(fd: i32, state: i32, interest: i32, sampled: bool, stream: bool): i32 {
  const flags = (sampled ? Flag.SAMPLED : 0) | (stream ? Flag.STREAM : 0);
  const slot = addChannel(fd, u8(state), u8(flags), u8(interest & (Ready.READ | Ready.WRITE)));
  statistics.channels += 1;
  if (!sampled) refresh(slot);
  return slot;
}

/** The generation of the channel in `slot`. */
export function channelGeneration(slot: i32): u32 {
  return channelAt(slot).generation;
}

/** Removes a channel from the map. @returns false where there is no such channel. */
export function channelRemove(slot: i32, generation: u32): bool {
  if (!isCurrent(slot, generation)) return false;
  resumePaused();
  forget(slot);
  removeChannel(slot);
  return true;
}

/** Sets what a channel wants from now on; for one that is sampled, until it is sampled next. */
export function channelSetInterest(slot: i32, generation: u32, interest: i32): bool {
  if (!isCurrent(slot, generation)) return false;
  setInterest(slot, interest);
  refresh(slot);
  return true;
}

/** The channel's input has ended: from now on it is not watched for reading, whatever it wants. */
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

/**
 * Stops watching a listener while the process is out of descriptors: until a channel is removed, or for a second.
 * @returns one of {@link Pause}
 */
export function channelPause(slot: i32, generation: u32): i32 {
  return isCurrent(slot, generation) ? pauseListener(slot, nowNs()) : Pause.NONE;
}

/** Takes the pending error of a stream whose input has ended. @returns a WASI errno, 0 for none. */
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
