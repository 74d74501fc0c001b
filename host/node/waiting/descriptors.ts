/**
 * Owns the choice of how the event loop of this thread waits for a descriptor. Knows the runtime and the thread that it
 * runs in.
 */

import { isMainThread } from "node:worker_threads";
import type { Libc } from "../libc.js";
import { HelperDescriptor } from "./helper.js";
import { LoopDescriptor } from "./loop-poll.js";
import type { LoopWatch, WatchedDescriptor } from "./watch.js";

const { bun, deno } = process.versions;

/**
 * Does the event loop itself watch descriptors? It is the cheapest way by far, but it ends the process where the
 * descriptor cannot be watched or is watched already.
 */
export const hasLoopPoll = isMainThread && bun === undefined && deno === undefined;

/**
 * Wakes `watch` while `fd` has one of `events`, and keeps the event loop alive, until the result is closed.
 * @param owned closing the result closes `fd`; only where {@link hasLoopPoll}
 */
export function watchDescriptor(
  libc: Libc,
  watch: LoopWatch,
  fd: number,
  events: number,
  owned: boolean,
): WatchedDescriptor {
  if (hasLoopPoll) return new LoopDescriptor(libc, watch, fd, events, owned);
  return new HelperDescriptor(libc, watch, fd, events);
}
