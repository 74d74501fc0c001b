/**
 * Owns when memory is collected, in modules built with AssemblyScript's "minimal" runtime: between turns, never inside of
 * one. So no function has to keep account of what it holds, which is a third of the code otherwise. Knows no channel.
 *
 * Between turns the only functions under way are the program's own, which have called `loop` and wait for it to return.
 * What they hold existed before; so what existed before the loop is pinned, and stays until the loop ends. Everything
 * younger is held by globals, by handlers in the registry and by timers, or by nobody.
 *
 * The runtime does not tell how much there is to collect. So the loop counts: what it allocates itself, and a flat sum for
 * each event. Where a program allocates more than that, the memory grows, and the count that is waited for is halved.
 */

import { channelCount } from "../engine/channels";
import { OBJECT, TOTAL_OVERHEAD } from "rt/common";
import { Runtime } from "shared/runtime";

const BYTES_AN_EVENT: i32 = 256;
const PATIENCE_BYTES: i32 = 262_144;
const PATIENCE_BYTES_MIN: i32 = 1024;
/** What a channel costs to look through, in bytes of patience. */
const BYTES_A_CHANNEL: i32 = 1024;

/** In `gcInfo`: two bits of color, and the next object's address. */
const COLOR_MASK: usize = 3;

let allocated: i32 = 0;
let patience: i32 = PATIENCE_BYTES;
let pages: i32 = 0;

/** An object to begin with: the runtime keeps objects in lists that run in a circle. */
class Mark {}
let mark: Mark | null = null;

/** The loop has allocated so many bytes. */
@inline
export function noteAllocation(bytes: i32): void {
  if (ASC_RUNTIME == Runtime.Minimal) allocated += bytes;
}

/** The loop has called a handler. */
@inline
export function noteEvent(): void {
  noteAllocation(BYTES_AN_EVENT);
}

/** The loop begins, called by functions that may hold anything there is. */
export function holdExisting(): void {
  if (ASC_RUNTIME != Runtime.Minimal) return;
  const first = new Mark();
  let object = nextOf(objectOf(changetype<usize>(first)));
  while (object !== objectOf(changetype<usize>(first))) {
    const next = nextOf(object);
    if (isManaged(object)) __pin(changetype<usize>(object) + TOTAL_OVERHEAD);
    object = next;
  }
  __pin(changetype<usize>(first));
  mark = first;
  pages = memory.size();
}

/** The loop has ended. */
export function releaseExisting(): void {
  if (ASC_RUNTIME != Runtime.Minimal) return;
  const first = mark;
  if (first === null) return;
  // By the list and not from memory: what grew since may stand elsewhere.
  let object = nextOf(objectOf(changetype<usize>(first)));
  while (object !== objectOf(changetype<usize>(first))) {
    const next = nextOf(object);
    if (isManaged(object)) __unpin(changetype<usize>(object) + TOTAL_OVERHEAD);
    object = next;
  }
  __unpin(changetype<usize>(first));
  mark = null;
}

/** A turn is over: collects, if there may be enough to collect. */
export function collectBetweenTurns(): void {
  if (ASC_RUNTIME != Runtime.Minimal) return;
  const hasGrown = memory.size() > pages;
  if (!hasGrown && allocated < patience + channelCount() * BYTES_A_CHANNEL) return;
  if (hasGrown) patience = max(patience / 2, PATIENCE_BYTES_MIN);
  else patience = min(patience + patience / 8, PATIENCE_BYTES);
  __collect();
  allocated = 0;
  pages = memory.size();
}

@inline
function objectOf(pointer: usize): OBJECT {
  return changetype<OBJECT>(pointer - TOTAL_OVERHEAD);
}

@inline
function nextOf(object: OBJECT): OBJECT {
  return changetype<OBJECT>(usize(object.gcInfo) & ~COLOR_MASK);
}

/** Is it an object, and not the list's own beginning, which stands in static memory? */
@inline
function isManaged(object: OBJECT): bool {
  return changetype<usize>(object) >= __heap_base;
}
