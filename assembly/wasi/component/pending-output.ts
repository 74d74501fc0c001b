/**
 * Owns descriptors with pending output: bytes that the host still has to send when the program closes a descriptor or
 * ends its writing half. Doing so at once would lose them, so it is deferred until they are sent; a closed descriptor is
 * dropped after a minute in any case. Knows no poll.
 */

import { ERRNO_SUCCESS } from "../../shared/errno";
import { Descriptor, Kind, NONE, freeDescriptor, writePollable } from "./descriptors";
import { errnoIn } from "./errors";
import { RESULT_SIZE, monotonicNow } from "./io";
import { shutdownTcp } from "./sockets";
import { roomIn } from "./streams";

const PENDING_NS_MAX: i64 = 60_000_000_000;
/** `shutdown-type.send`. */
const SEND: i32 = 1;

const result = memory.data(RESULT_SIZE, 8);

/** A list. */
let first: usize = 0;
let count: i32 = 0;


@inline
export function pendingOutputCount(): i32 {
  return count;
}

/** Drops a descriptor that has no number any more, now or when its output is sent. */
export function freeWhenSent(descriptor: Descriptor): void {
  descriptor.isClosed = true;
  descriptor.untilNs = monotonicNow() + PENDING_NS_MAX;
  if (descriptor.hasPendingOutput) return;
  const isStream = descriptor.kind != Kind.UDP && descriptor.output != NONE;
  if (isStream && roomIn(descriptor.output) == 0) add(descriptor);
  else freeDescriptor(descriptor);
}

/** Ends the writing half of a connection, now or when its output is sent. @returns 0, or -errno */
export function endWhenSent(descriptor: Descriptor): i32 {
  if (descriptor.ends) return ERRNO_SUCCESS;
  descriptor.ends = true;
  if (roomIn(descriptor.output) != 0) return end(descriptor);
  add(descriptor);
  return ERRNO_SUCCESS;
}

/** Writes the pollable of each to `handlesAt`, and its descriptor to `ownersAt`. @returns the earliest deadline */
export function listPendingOutput(handlesAt: usize, ownersAt: usize): i64 {
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
export function noteSent(descriptor: Descriptor): void {
  descriptor.isSent = roomIn(descriptor.output) != 0;
}

/** Ends or drops, as deferred, those whose output is sent; drops those whose deadline has passed. */
export function finishSent(nowNs: i64): void {
  let before: usize = 0;
  let next = first;
  while (next != 0) {
    const descriptor = changetype<Descriptor>(next);
    const after = descriptor.next;
    if (descriptor.isSent || (descriptor.isClosed && descriptor.untilNs <= nowNs)) {
      if (before == 0) first = after;
      else changetype<Descriptor>(before).next = after;
      count -= 1;
      descriptor.hasPendingOutput = false;
      if (descriptor.ends) end(descriptor);
      if (descriptor.isClosed) freeDescriptor(descriptor);
    } else {
      before = next;
    }
    next = after;
  }
}

function add(descriptor: Descriptor): void {
  descriptor.hasPendingOutput = true;
  descriptor.isSent = false;
  descriptor.next = first;
  first = changetype<usize>(descriptor);
  count += 1;
}

function end(descriptor: Descriptor): i32 {
  shutdownTcp(descriptor.socket, SEND, result);
  return -errnoIn(result);
}
