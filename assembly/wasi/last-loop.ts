/**
 * Owns what a host that calls back for each turn has to know of the loop that a program ends with: its two halves of a turn,
 * and what is to be watched between them. Knows no channel and no host.
 */

// Null and not functions that do nothing: those would be in every module.
let begin: (() => i64) | null = null;
let end: (() => void) | null = null;

/** Where the subscriptions of the turn that has begun are, and how many: as `poll_oneoff` takes them. */
export let watchedAt: usize = 0;
export let watchedCount: u32 = 0;

/** `begun` returns how long the turn may wait, or -1: the loop is over. `ended` polls without waiting, and delivers. */
export function setLastLoop(begun: () => i64, ended: () => void): void {
  begin = begun;
  end = ended;
}

export function noteWatched(at: usize, count: u32): void {
  watchedAt = at;
  watchedCount = count;
}


@inline
export function hasLastLoop(): bool {
  return begin !== null;
}

export function beginTurn(): i64 {
  const turn = begin;
  return turn === null ? -1 : turn();
}

export function endTurn(): void {
  const turn = end;
  if (turn !== null) turn();
}
