/** The CPU time of an isolated plugin whose host is busy itself: what is counted, and how the plugin is said to have ended. */

import { readdirSync } from "node:fs";
import { performance } from "node:perf_hooks";
import { setImmediate } from "node:timers/promises";
import { expect, test } from "vitest";
import { BUILD_TIMEOUT_MS } from "../assembly/programs.js";
import { leaveFileOut, missingLinux } from "../support/missing.js";
import { buildPlugin, createHost } from "./support.js";

leaveFileOut("The CPU time of threads", missingLinux());

/** More than a plugin that traps at once takes. */
const TOTAL_MS = 3000;
const BLOCKED_MAX_MS = 40_000;

/** Waits for a thread that this process did not have, and blocks until it has ended and `minMs` are over. */
async function blockToTheEndOfAThread(minMs: number): Promise<void> {
  const threads = (): string[] => readdirSync("/proc/self/task");
  const before = new Set(threads());
  const started = (): string[] => threads().filter((thread) => !before.has(thread));
  while (started().length === 0) await setImmediate();
  const word = new Int32Array(new SharedArrayBuffer(4));
  const beganMs = performance.now();
  const blockedMs = (): number => performance.now() - beganMs;
  while (blockedMs() < minMs || (started().length > 0 && blockedMs() < BLOCKED_MAX_MS)) Atomics.wait(word, 0, 0, 10);
  expect(started()).toEqual([]);
}

test(
  "a plugin that traps while its host is busy has trapped, and has not used up the time of its host",
  async () => {
    const module = await buildPlugin("first", true);
    const { host, told } = createHost();
    const listen = ["127.0.0.1:0"];
    // What Node starts with its first thread.
    await host.start(module, { name: "other", listen });
    const options = { listen, name: "short-lived", env: { AT_START: "trap" }, restart: { when: "never" } } as const;
    const blocked = blockToTheEndOfAThread(2 * TOTAL_MS);
    const starting = host.start(module, { ...options, limits: { cpuMsTotal: TOTAL_MS }, onStartFailure: "restart" });
    await blocked;
    await starting;
    expect(await told.ending("short-lived")).toMatchObject({ kind: "trap" });
    expect(host.snapshot("short-lived").cpuMs).toBeLessThan(TOTAL_MS);
  },
  BUILD_TIMEOUT_MS,
);
