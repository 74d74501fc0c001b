/**
 * Owns when memory is collected, in modules built with AssemblyScript's "minimal" runtime: between turns, never inside of
 * one. So no function has to keep account of what it holds, which is a third of the code otherwise. Knows no channel, and
 * of the runtime how its objects are linked.
 *
 * Between turns the only functions under way are the program's own, which have called `loop` and wait for it to return.
 * What they hold existed before; so what existed before the loop is pinned, and stays until the loop ends. Everything
 * younger is held by globals, by handlers in the registry and by timers, or is garbage.
 *
 * The runtime keeps its objects in lists that run in a circle, and adds new ones at the end. So what a turn has allocated
 * is found behind a mark that was made at its beginning.
 */

import { OBJECT, TOTAL_OVERHEAD } from "rt/common";
import { Runtime } from "shared/runtime";

/** How much may be allocated before anything is collected. More if more is alive: so collecting costs what allocating does. */
const PATIENCE_BYTES: usize = 262_144;

/** In `gcInfo`: two bits of color, and the next object's address. In `mmInfo`: two bits, and the size. */
const FLAGS: usize = 3;

class Mark {}

/** Made when the turn began. */
let turnMark: Mark | null = null;
/** Marks made when the loop began: the first and the last in the list of the pinned of what existed. */
let firstHeld = changetype<OBJECT>(0);
let lastHeld = changetype<OBJECT>(0);
/** Since the last collection. */
let allocatedBytes: usize = 0;
/** What that collection left. */
let aliveBytes: usize = 0;

/** The loop begins, called by functions that may hold anything there is. */
export function holdExisting(): void {
  if (ASC_RUNTIME != Runtime.Minimal) return;
  firstHeld = objectOf(new Mark());
  lastHeld = objectOf(new Mark());
  const begin = nextOf(lastHeld);
  pinList(firstHeld, firstHeld, true);
  pinList(begin, lastHeld, true);
}

/** The loop has ended. What the program has pinned by itself stays so. */
export function releaseExisting(): void {
  if (ASC_RUNTIME != Runtime.Minimal) return;
  pinList(firstHeld, lastHeld, false);
}

/** Pins or unpins the objects from `first` to `last` of a list. That moves them to another list. */
function pinList(first: OBJECT, last: OBJECT, pin: bool): void {
  let next = first;
  let object: OBJECT;
  do {
    object = next;
    next = nextOf(object);
    const pointer = changetype<usize>(object) + TOTAL_OVERHEAD;
    if (pin && isInHeap(object)) __pin(pointer);
    else if (isInHeap(object)) __unpin(pointer);
  } while (object !== last);
}

/** A turn is over: collects, if enough was allocated. */
export function collectBetweenTurns(): void {
  if (ASC_RUNTIME != Runtime.Minimal) return;
  const before = turnMark;
  if (before !== null) allocatedBytes += bytesBehind(objectOf(before));
  const isDue = allocatedBytes > max(PATIENCE_BYTES, aliveBytes);
  if (isDue) __collect();
  const mark = new Mark();
  turnMark = mark;
  if (!isDue) return;
  allocatedBytes = 0;
  // Behind the mark comes the beginning of the list, and then all that is alive.
  aliveBytes = bytesBehind(nextOf(objectOf(mark)));
}

/** The bytes of the objects between `first` and the end of the list, or the mark. */
function bytesBehind(first: OBJECT): usize {
  let bytes: usize = 0;
  let object = nextOf(first);
  while (object !== first && (isInHeap(object) || !isInHeap(first))) {
    if (isInHeap(object)) bytes += object.mmInfo & ~FLAGS;
    object = nextOf(object);
  }
  return bytes;
}


@inline
function objectOf(mark: Mark): OBJECT {
  return changetype<OBJECT>(changetype<usize>(mark) - TOTAL_OVERHEAD);
}


@inline
function nextOf(object: OBJECT): OBJECT {
  return changetype<OBJECT>(usize(object.gcInfo) & ~FLAGS);
}

/** Is it an object that can be freed? Lists begin in static memory, where the program's texts are as well. */
@inline
function isInHeap(object: OBJECT): bool {
  return changetype<usize>(object) >= __heap_base;
}
