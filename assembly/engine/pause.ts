/**
 * Owns the listeners that are paused because the process is out of descriptors: a list through the channel map. Knows no
 * clock: it is given the time.
 *
 * They resume together: when a channel leaves the map, which most likely frees a descriptor, and in any case a second after
 * the last of them was paused.
 */

import { Pause } from "../shared/abi";
import { NONE, State, channelAt } from "./channels";
import { refresh } from "./interest";
import { statistics } from "./statistics";

/** How long a paused listener waits when no channel is removed meanwhile; and how often a pause is news. */
const PAUSE_NS: i64 = 1_000_000_000;

let firstPaused: i32 = NONE;
let resumeAtNs: i64 = 0;
/** Until then a pause is no news. */
let oldUntilNs: i64 = 0;


@inline
export function hasPaused(): bool {
  return firstPaused != NONE;
}

/** When the paused listeners resume at the latest. */
export function pauseEndNs(): i64 {
  return resumeAtNs;
}

/** @returns one of {@link Pause} */
export function pauseListener(slot: i32, nowNs: i64): i32 {
  const channel = channelAt(slot);
  if (channel.state != State.ACCEPTING) return Pause.NONE;
  resumeAtNs = nowNs + PAUSE_NS;
  const isNews = nowNs >= oldUntilNs;
  if (isNews) oldUntilNs = resumeAtNs;
  if (!channel.paused) {
    channel.paused = true;
    channel.nextPaused = firstPaused;
    firstPaused = slot;
    statistics.pauses += 1;
    refresh(slot);
  }
  return isNews ? Pause.NEWS : Pause.AGAIN;
}

/** Lets the paused listeners resume. */
export function resumePaused(): void {
  while (firstPaused != NONE) {
    const slot = firstPaused;
    firstPaused = channelAt(slot).nextPaused;
    channelAt(slot).paused = false;
    refresh(slot);
  }
}
