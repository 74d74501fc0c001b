/**
 * Owns the listeners that are paused because the process is out of descriptors: a list through the channel map. Knows no
 * clock: it is given the time.
 *
 * They resume together: at the next turn after a channel has left the map, which has most likely freed a descriptor, and
 * in any case a second after the last of them was paused.
 */

import { Pause } from "../shared/abi";
import { NONE, State, channelAt } from "./channels";
import { refresh } from "./interest";
import { statistics } from "./statistics";

/** How long a paused listener waits when no channel is removed meanwhile; and how often a pause is news. */
const PAUSE_NS: i64 = 1_000_000_000;

let firstPaused: i32 = NONE;
let resumeAtNs: i64 = 0;
let freed: bool = false;
/** Until then a pause is no news. */
let oldUntilNs: i64 = i64.MIN_VALUE;


@inline
export function hasPaused(): bool {
  return firstPaused != NONE;
}

/** When the paused listeners resume at the latest. */
export function pauseEndNs(): i64 {
  return freed ? 0 : resumeAtNs;
}

/** @returns one of {@link Pause} */
export function pauseListener(slot: i32, nowNs: i64): i32 {
  const channel = channelAt(slot);
  if (channel.state != State.ACCEPTING) return Pause.NONE;
  resumeAtNs = nowNs + PAUSE_NS;
  freed = false;
  const isNews = nowNs >= oldUntilNs;
  if (isNews) oldUntilNs = resumeAtNs;
  const result = isNews ? Pause.NEWS : Pause.AGAIN;
  if (channel.paused) return result;
  channel.paused = true;
  channel.nextPaused = firstPaused;
  firstPaused = slot;
  statistics.pauses += 1;
  refresh(slot);
  return result;
}

/** The channel leaves the map: a descriptor will be free. */
export function noteLeaving(slot: i32): void {
  freed = true;
  if (channelAt(slot).paused) unlink(slot);
}

/** Lets the paused listeners resume if their time has come. */
export function resumePaused(nowNs: i64): void {
  if (nowNs < pauseEndNs()) return;
  while (firstPaused != NONE) {
    const slot = firstPaused;
    firstPaused = channelAt(slot).nextPaused;
    channelAt(slot).paused = false;
    refresh(slot);
  }
}

/** Walks the list, which is as long as there are paused listeners. */
function unlink(slot: i32): void {
  const next = channelAt(slot).nextPaused;
  if (firstPaused == slot) {
    firstPaused = next;
    return;
  }
  let before = channelAt(firstPaused);
  while (before.nextPaused != slot) before = channelAt(before.nextPaused);
  before.nextPaused = next;
}
