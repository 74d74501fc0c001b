/**
 * Owns the set of what the host reports events of, and which descriptor each handle in it belongs to. Knows no stream and
 * no socket.
 */

import { cancelSubtask, dropSubtask, joinSet, newSet, waitForEvent } from "./canonical";
import { Descriptor } from "./descriptors";
import { EventLayout } from "./layouts";

/** What the host writes of an event. */
export const event: usize = memory.data(EventLayout.SIZE, 4);

/** Everything but what {@link waitAlone} waits for. */
let set: i32 = -1;
let single: i32 = -1;

/** Pointers to descriptors, by handle; handles are small numbers, and used again. */
let owners: usize = 0;
let capacity: i32 = 0;

export function mainSet(): i32 {
  if (set < 0) set = newSet();
  return set;
}

/** Events of this handle are reported from now on. */
export function watch(handle: i32, owner: Descriptor | null): void {
  if (handle >= capacity) grow(handle);
  store<usize>(owners + ((<usize>handle) << alignof<usize>()), changetype<usize>(owner));
  joinSet(handle, mainSet());
}


@inline
export function ownerOf(handle: i32): Descriptor | null {
  return changetype<Descriptor | null>(load<usize>(owners + ((<usize>handle) << alignof<usize>())));
}

/** Takes it out of the set for a call that must not be made of what is in one. */
export function unwatch(handle: i32): void {
  joinSet(handle, 0);
}

/** Waits for an event of this handle alone, which is in the set. @returns its code */
export function waitAlone(handle: i32): i32 {
  if (single < 0) single = newSet();
  joinSet(handle, single);
  waitForEvent(single, event);
  joinSet(handle, mainSet());
  return load<i32>(event, EventLayout.CODE);
}

/** Ends a call, if it has not ended by itself. @returns its state */
export function endSubtask(subtask: i32): i32 {
  unwatch(subtask);
  const state = cancelSubtask(subtask);
  dropSubtask(subtask);
  return state;
}

function grow(handle: i32): void {
  const grown = max(256, 2 * handle);
  const size = (<usize>grown) << alignof<usize>();
  owners = owners == 0 ? heap.alloc(size) : heap.realloc(owners, size);
  capacity = grown;
}
