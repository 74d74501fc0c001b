/**
 * Owns how a program runs as the async export `wasi:cli/run`. Knows descriptors; knows no channel.
 *
 * A program that ends with its loop returns to the host between turns, with the set of what it waits for; the host calls
 * `resume` with the first event. So nothing of it is on a stack while it waits. A loop anywhere else waits inside the
 * program: see poll-calls.ts.
 */

import { beginTurn, endTurn, hasLastLoop, watchedAt, watchedCount } from "../last-loop";
import { CallbackCode, EventKind, returnFromRun } from "./canonical";
import { dropDescriptor } from "./closing";
import { descriptorEnd, descriptorIn, removeDescriptor } from "./descriptors";
import { startClock, stopClock, takeEvent, takeEvents } from "./events";
import { monotonicNow } from "./io";
import { isAnyReady } from "./poll-calls";
import { mainSet } from "./waitables";

export { cabi_realloc } from "../component/realloc";

/** Has a turn begun, and until when may it wait? */
let hasBegun: bool = false;
let untilNs: i64 = 0;
/** Has the host been let go on since the turn began? */
let hasYielded: bool = false;

/** The program's own code is over: its loop goes on, or it ends. @returns what the export returns */
export function finish(): i32 {
  return hasLastLoop() ? goOn() : end();
}

/** The callback of the export. */
export function resume(kind: i32, handle: i32, code: i32): i32 {
  if (kind != EventKind.NONE) takeEvent(kind, handle, code);
  return goOn();
}

/** Makes turns until there is something to wait for, or nothing left. */
function goOn(): i32 {
  while (true) {
    if (!hasBegun) {
      const waitNs = beginTurn();
      if (waitNs < 0) return end();
      hasBegun = true;
      hasYielded = false;
      untilNs = waitNs == 0 ? 0 : monotonicNow() + waitNs;
    }
    takeEvents();
    const isReady = isAnyReady(watchedAt, watchedCount);
    if (!isReady && untilNs != 0) {
      const nowNs = monotonicNow();
      if (nowNs < untilNs && startClock(untilNs, nowNs)) {
        hasYielded = true;
        return CallbackCode.WAIT | (mainSet() << 4);
      }
    }
    // Others become ready as well, and the host notes that only when it is let.
    if (!hasYielded) {
      hasYielded = true;
      return CallbackCode.YIELD;
    }
    hasBegun = false;
    endTurn();
  }
}

/** Closes what is open, and reports success. */
function end(): i32 {
  closeAll();
  returnFromRun(0);
  return CallbackCode.EXIT;
}

/** Closes what is open, the streams of output when what was written to them is on its way. */
export function closeAll(): void {
  for (let fd = descriptorEnd() - 1; fd >= 0; fd--) {
    const descriptor = descriptorIn(fd);
    if (descriptor === null) continue;
    removeDescriptor(fd);
    dropDescriptor(descriptor);
  }
  stopClock();
}
