/** Owns what /proc says of this process and of those that a test has started: descriptors, and whether they work. Linux alone. */

import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { expect } from "vitest";

/** Longer than a process takes for anything that it is asked here; what takes longer has failed. */
const PATIENCE_MS = 10_000;
/** Between two looks at a process that is not there yet. */
const LOOK_MS = 20;
/** So much CPU time, in clock ticks of 10 ms, is not idle. */
const LOOKS_IDLE = 5;

/** What the descriptors of a process lead to, in the order of their names: "socket", "pipe", a path, ... */
export function descriptorsOf(pid: number | undefined): string[] {
  const directory = `/proc/${pid}/fd`;
  const found = readdirSync(directory).map((fd) => {
    try {
      return readlinkSync(`${directory}/${fd}`).replace(/:\[\d+\]$/, "");
    } catch {
      return "closed meanwhile";
    }
  });
  return found.toSorted();
}

/**
 * Begins to watch the descriptors of this process.
 * @returns what was opened since and is still open: "21 socket:[4711]". What other tests of this process left, and close
 * meanwhile, makes no difference. Empty where there is no /proc.
 */
export function openedFromNow(): (kind?: string) => string[] {
  const before = new Set(openDescriptors());
  return (kind = "") => openDescriptors().filter((each) => !before.has(each) && each.split(" ")[1]?.startsWith(kind));
}

/** The descriptors of this process, each with what it leads to: "21 socket:[4711]". */
export function openDescriptors(): string[] {
  if (process.platform !== "linux") return [];
  return readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      return [`${fd} ${readlinkSync(`/proc/self/fd/${fd}`)}`];
    } catch {
      return []; // that of the listing itself
    }
  });
}

/** Waits until an answer is the one expected; fails with the last one. */
export async function eventually<T>(ask: () => T, expected: T): Promise<void> {
  const deadlineMs = performance.now() + PATIENCE_MS;
  while (performance.now() < deadlineMs) {
    const answer = ask();
    if (JSON.stringify(answer) === JSON.stringify(expected)) return;
    await pause(LOOK_MS);
  }
  expect(ask()).toEqual(expected);
}

/** Waits until a process uses no CPU time: for so many looks one after the other. One that spins fails. */
export async function idle(pid: number | undefined): Promise<void> {
  let last = "";
  let looks = 0;
  await eventually(() => {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    // utime and stime: proc_pid_stat(5).
    const used = `${fields[11]} ${fields[12]}`;
    looks = used === last ? looks + 1 : 0;
    last = used;
    return looks >= LOOKS_IDLE;
  }, true);
}
