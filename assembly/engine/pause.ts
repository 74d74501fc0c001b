/**
 * Owns the listeners that are paused because the process is out of descriptors. Knows the channel map; knows no
 * clock: it is told the time.
 *
 * They go on together: at the next turn after a channel has left the map, which has most likely freed a descriptor,
 * and in any case a second after the last of them was paused.
 */

import { channelAt, isCurrent } from "./channels";
import { refresh } from "./interest";
import { RECORDS_SIZE, Records } from "./records";
import { statistics } from "./statistics";


@unmanaged
class Paused {
  slot: i32;
  generation: u32;
}

/** How long a paused listener waits when no channel is removed meanwhile. */
const PAUSE_NS: i64 = 1_000_000_000;

const paused = changetype<Records<Paused>>(memory.data(RECORDS_SIZE));
let resumeAtNs: i64 = 0;
let freed: bool = false;


@inline
export function hasPaused(): bool {
  return paused.length > 0;
}

/** When the paused go on at the latest. */
export function pauseEndNs(): i64 {
  return freed ? 0 : resumeAtNs;
}

export function pauseListener(slot: i32, nowNs: i64): void {
  const channel = channelAt(slot);
  resumeAtNs = nowNs + PAUSE_NS;
  freed = false;
  if (channel.paused) return;
  channel.paused = true;
  statistics.pauses += 1;
  const entry = paused.at(paused.add());
  entry.slot = slot;
  entry.generation = channel.generation;
  refresh(slot);
}

/** A channel has left the map: a descriptor may be free. */
@inline
export function noteFreed(): void {
  freed = true;
}

/** Lets the paused listeners go on if their time has come. */
export function resumePaused(nowNs: i64): void {
  if (nowNs < pauseEndNs()) return;
  for (let i = 0; i < paused.length; i++) {
    const entry = paused.at(i);
    if (!isCurrent(entry.slot, entry.generation)) continue;
    channelAt(entry.slot).paused = false;
    refresh(entry.slot);
  }
  paused.length = 0;
}
