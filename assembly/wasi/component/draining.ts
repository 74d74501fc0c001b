/**
 * Owns descriptors whose host still has bytes to send when the program closes them, or ends their writing half: done at
 * once, that would lose those bytes. It is done when the host has sent them; a closed one is dropped after a minute
 * whatever has become of them. Knows no poll.
 */

import { ERRNO_SUCCESS } from "../../shared/errno";
import { Descriptor, Kind, NONE, freeDescriptor, writePollable } from "./descriptors";
import { errnoIn } from "./errors";
import { RESULT_SIZE, monotonicNow } from "./io";
import { shutdownTcp } from "./sockets";
import { roomIn } from "./streams";

const DRAIN_NS_MAX: i64 = 60_000_000_000;
/** `shutdown-type.send`. */
const SEND: i32 = 1;

const result = memory.data(RESULT_SIZE, 8);

/** A list. */
let first: usize = 0;
let count: i32 = 0;


@inline
export function drainingCount(): i32 {
  return count;
}

/** Drops one that has no number any more, now or when its bytes are gone. */
export function drainAndFree(descriptor: Descriptor): void {
  descriptor.isClosed = true;
  descriptor.untilNs = monotonicNow() + DRAIN_NS_MAX;
  if (descriptor.isDraining) return;
  const isStream = descriptor.kind != Kind.UDP && descriptor.output != NONE;
  if (isStream && roomIn(descriptor.output) == 0) add(descriptor);
  else freeDescriptor(descriptor);
}

/** Ends the writing half of a connection, now or when its bytes are gone. @returns 0, or -errno */
export function drainAndEnd(descriptor: Descriptor): i32 {
  if (descriptor.ends) return ERRNO_SUCCESS;
  descriptor.ends = true;
  if (roomIn(descriptor.output) != 0) return end(descriptor);
  add(descriptor);
  return ERRNO_SUCCESS;
}

/** Writes the pollable of each to `handlesAt`, and which it is to `ownersAt`. @returns when the first one's time is over */
export function listDraining(handlesAt: usize, ownersAt: usize): i64 {
  let untilNs = i64.MAX_VALUE;
  let at: usize = 0;
  for (let next = first; next != 0; next = changetype<Descriptor>(next).next) {
    const descriptor = changetype<Descriptor>(next);
    store<i32>(handlesAt + at, writePollable(descriptor));
    store<usize>(ownersAt + at, next);
    if (descriptor.isClosed) untilNs = min(untilNs, descriptor.untilNs);
    at += 4;
  }
  return untilNs;
}

/** One of them can be written to, or has failed. */
export function noteDrained(descriptor: Descriptor): void {
  descriptor.drained = roomIn(descriptor.output) != 0;
}

/** Does what was to be done with those whose bytes are gone; drops those whose time is over. */
export function finishDrained(nowNs: i64): void {
  let before: usize = 0;
  let next = first;
  while (next != 0) {
    const descriptor = changetype<Descriptor>(next);
    const after = descriptor.next;
    if (descriptor.drained || (descriptor.isClosed && descriptor.untilNs <= nowNs)) {
      if (before == 0) first = after;
      else changetype<Descriptor>(before).next = after;
      count -= 1;
      descriptor.isDraining = false;
      if (descriptor.ends) end(descriptor);
      if (descriptor.isClosed) freeDescriptor(descriptor);
    } else {
      before = next;
    }
    next = after;
  }
}

function add(descriptor: Descriptor): void {
  descriptor.isDraining = true;
  descriptor.drained = false;
  descriptor.next = first;
  first = changetype<usize>(descriptor);
  count += 1;
}

function end(descriptor: Descriptor): i32 {
  shutdownTcp(descriptor.socket, SEND, result);
  return -errnoIn(result);
}
