/**
 * Owns how long one system call of this thread may block. Knows no descriptor.
 *
 * `worker.terminate()` takes effect when the thread's JavaScript goes on: a long wait in a worker is made of short ones.
 */

import { isMainThread } from "node:worker_threads";

/** May one call block for as long as it takes? */
export const mayBlock = isMainThread;

/** The longest single wait of a worker thread. */
export const SLICE_MS = 100;

/**
 * Calls `wait`, in a worker thread repeatedly, until `timeoutMs` is over. `wait` takes whole milliseconds (-1: without
 * end) and returns 0 when they are over.
 * @returns what the last `wait` gave
 */
export function waitInSlices(wait: (timeoutMs: number) => number, timeoutMs: number): number {
  if (mayBlock || (timeoutMs >= 0 && timeoutMs <= SLICE_MS)) return wait(timeoutMs);
  const endMs = timeoutMs < 0 ? Infinity : performance.now() + timeoutMs;
  while (true) {
    const leftMs = Math.ceil(endMs - performance.now());
    if (leftMs <= SLICE_MS) return wait(Math.max(leftMs, 0));
    const result = wait(SLICE_MS);
    if (result !== 0) return result;
  }
}
