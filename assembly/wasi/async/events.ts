/**
 * Owns what happens with an event of the host: it is noted in the descriptor that it belongs to. Also owns the clock, a
 * subtask that ends at a time. Knows descriptors of all kinds; knows no poll.
 */

import { CallState, EventKind, countOf, dropSubtask, pollForEvent, statusOf, waitForEvent } from "./canonical";
import { Descriptor, Kind, NONE, Progress } from "./descriptors";
import { waitUntil } from "./io";
import { EventLayout } from "./layouts";
import { noteInput, noteOutput } from "./stdio";
import { noteRead, noteWritten } from "./streams";
import { advance } from "./tcp";
import { noteSent } from "./udp";
import { endSubtask, event, mainSet, ownerOf, watch } from "./waitables";

/** The clock that is running, and when it goes off. */
let clock: i32 = NONE;
let clockNs: i64 = 0;

/** Waits for an event, and takes it. */
export function waitAndTake(): void {
  const kind = waitForEvent(mainSet(), event);
  takeEvent(kind, load<i32>(event, EventLayout.HANDLE), load<i32>(event, EventLayout.CODE));
}

/** Takes the events that there are. */
export function takeEvents(): void {
  while (true) {
    const kind = pollForEvent(mainSet(), event);
    if (kind == EventKind.NONE) return;
    takeEvent(kind, load<i32>(event, EventLayout.HANDLE), load<i32>(event, EventLayout.CODE));
  }
}

export function takeEvent(kind: i32, handle: i32, code: i32): void {
  if (kind == EventKind.SUBTASK) {
    endCall(handle, code);
    return;
  }
  const owner = ownerOf(handle);
  if (owner === null) return;
  const isStdio = owner.kind == Kind.STDIO;
  if (kind == EventKind.STREAM_READ) {
    if (isStdio) noteInput(owner, code);
    else noteRead(owner, code);
  } else if (kind == EventKind.STREAM_WRITE) {
    if (isStdio) noteOutput(owner, code);
    else noteWritten(owner, code);
  }
}

function endCall(subtask: i32, state: i32): void {
  if (state != CallState.RETURNED) return;
  dropSubtask(subtask);
  if (subtask == clock) {
    clock = NONE;
    return;
  }
  const owner = ownerOf(subtask);
  if (owner === null) return;
  if (subtask == owner.sending) {
    owner.sending = NONE;
    noteSent(owner);
    return;
  }
  owner.subtask = NONE;
  if (owner.kind == Kind.UDP) owner.reading = Progress.READY;
  else advance(owner);
}

/**
 * Starts a clock that goes off at `wakeNs`, or before: one that is running serves if it does.
 * @returns is one running? The time may have come since `nowNs`: no event reports that
 */
export function startClock(wakeNs: i64, nowNs: i64): bool {
  if (clock != NONE) {
    if (clockNs > nowNs && clockNs <= wakeNs) return true;
    stopClock();
  }
  const call = waitUntil(wakeNs);
  if (statusOf(call) == CallState.RETURNED) return false;
  clock = countOf(call);
  clockNs = wakeNs;
  watch(clock, null);
  return true;
}

export function stopClock(): void {
  if (clock != NONE) endSubtask(clock);
  clock = NONE;
}
