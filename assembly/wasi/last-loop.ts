/**
 * Owns what a host that calls back for each turn has to know of the loop that a program ends with: its two halves of a turn,
 * and what is to be watched between them. Knows no channel and no host.
 */

let begin: () => i64 = beginNone;
let end: () => void = endNone;
let isSet: bool = false;

/** Where the subscriptions of the turn that has begun are, and how many: as `poll_oneoff` takes them. */
export let watchedAt: usize = 0;
export let watchedCount: u32 = 0;

/** `begun` returns how long the turn may wait, or -1: the loop is over. `ended` polls without waiting, and delivers. */
export function setLastLoop(begun: () => i64, ended: () => void): void {
  begin = begun;
  end = ended;
  isSet = true;
}

export function noteWatched(at: usize, count: u32): void {
  watchedAt = at;
  watchedCount = count;
}


@inline
export function hasLastLoop(): bool {
  return isSet;
}

export function beginTurn(): i64 {
  return begin();
}

export function endTurn(): void {
  end();
}

function beginNone(): i64 {
  return -1;
}

function endNone(): void {}
