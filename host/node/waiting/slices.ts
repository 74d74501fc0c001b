/**
 * Owns how long one system call of this thread may block. Knows no descriptor.
 *
 * `worker.terminate()` takes effect when the thread's JavaScript goes on: a long wait in a worker is made of short ones.
 */

import { isMainThread } from "node:worker_threads";

/** As long as one wait of a worker thread takes at most. */
export const SLICE_MS = 100;

/**
 * Makes `wait`, a wait of whole milliseconds (-1: without end) that gives 0 when they are over, for `timeoutMs`.
 * @returns what the last `wait` gave
 */
export function waitInSlices(wait: (timeoutMs: number) => number, timeoutMs: number): number {
  if (isMainThread || (timeoutMs >= 0 && timeoutMs <= SLICE_MS)) return wait(timeoutMs);
  const endMs = timeoutMs < 0 ? Infinity : performance.now() + timeoutMs;
  while (true) {
    const leftMs = Math.ceil(endMs - performance.now());
    if (leftMs <= SLICE_MS) return wait(Math.max(leftMs, 0));
    const result = wait(SLICE_MS);
    if (result !== 0) return result;
  }
}
