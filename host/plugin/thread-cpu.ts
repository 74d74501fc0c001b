/** Owns the CPU time of other threads of this process, as Linux tells it. Knows no plugin. */

import { readFileSync, readlinkSync } from "node:fs";

/** The operating system's number of this thread; 0 where it is not told. */
export function threadNumber(): number {
  try {
    return Number(readlinkSync("/proc/thread-self").split("/").at(-1));
  } catch {
    return 0;
  }
}

let isTold = false;

/** Does the operating system tell the CPU time of threads? Where it does, a thread without one has ended. */
export function isThreadCpuTold(): boolean {
  isTold ||= threadCpuNs(threadNumber()) !== undefined;
  return isTold;
}

/** CPU time of a thread in nanoseconds; undefined where it is not told, or the thread has ended. */
export function threadCpuNs(thread: number): number | undefined {
  if (thread === 0) return undefined;
  try {
    const [ns] = readFileSync(`/proc/self/task/${thread}/schedstat`, "latin1").split(" ", 1);
    return Number(ns);
  } catch {
    return undefined;
  }
}
