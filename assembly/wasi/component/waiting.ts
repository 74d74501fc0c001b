/**
 * Owns the second step of two-step operations of wasi:sockets that concern the local machine alone: it is waited for. Knows
 * nothing of what the first one was.
 */

import { WOULD_BLOCK, errnoIn } from "./errors";
import { RESULT_SIZE, dropPollable, poll } from "./io";
import { landAt } from "./realloc";

const one = memory.data(4, 4);
const index = memory.data(4, 4);
const result = memory.data(RESULT_SIZE, 8);

/** Takes the second step when it can be taken. @returns its errno */
export function finishStep(
  socket: i32,
  finish: (socket: i32, resultAt: usize) => void,
  subscribe: (socket: i32) => i32,
): i32 {
  finish(socket, result);
  while (load<u8>(result) != 0 && load<u8>(result, 1) == WOULD_BLOCK) {
    waitAndDrop(subscribe(socket));
    finish(socket, result);
  }
  return errnoIn(result);
}

/** Waits until it is ready, and drops it. */
function waitAndDrop(pollable: i32): void {
  store<i32>(one, pollable);
  landAt(index, 4);
  poll(one, 1, result);
  dropPollable(pollable);
}
