/** Owns waiting for one pollable, which only binding and listening do. Knows nothing of what it stands for. */

import { dropPollable, poll } from "./io";
import { landAt } from "./realloc";

const one = memory.data(4, 4);
const index = memory.data(4, 4);
const result = memory.data(8, 4);

/** Waits until it is ready, and drops it. */
export function waitAndDrop(pollable: i32): void {
  store<i32>(one, pollable);
  landAt(index, 4);
  poll(one, 1, result);
  dropPollable(pollable);
}
