/** Owns the time in which a run has to come up, and why one has not. Knows runs by their interface; knows no plugin. */

import { TIMER_MAX_MS } from "./policy/timer.js";
import type { Policy } from "./policy/types.js";
import type { PluginEnding, Run } from "./run.js";
import { memoryText } from "./trap-memory.js";

/**
 * A run comes up, which takes milliseconds, or has failed. A policy limits its CPU time meanwhile; one that allows a turn to take
 * longer than this allows the first turn to do so too.
 */
const UP_TIMEOUT_MS = 30_000;

export interface StartFailure {
  readonly reason: string;
  readonly cause: Error | undefined;
}

/** Waits until the run has come up. @returns undefined, or why it has not, once nothing of it is left */
export async function whyNotUp(run: Run, { limits: { cpuMsPerTurn } }: Policy): Promise<StartFailure | undefined> {
  let isLate = false;
  const timeoutMs = Math.min(TIMER_MAX_MS, Math.max(UP_TIMEOUT_MS, cpuMsPerTurn));
  const timer = setTimeout(() => {
    isLate = true;
    run.kill({ kind: "stopped", isGraceful: false });
  }, timeoutMs);
  const isUp = await run.up;
  clearTimeout(timer);
  if (isUp) return undefined;
  const ending = await run.ended;
  return {
    reason: isLate ? `it did not wait for anything within ${timeoutMs} ms` : endingText(ending),
    cause: ending.kind === "trap" || ending.kind === "failed" ? ending.error : undefined,
  };
}

function endingText(ending: PluginEnding): string {
  switch (ending.kind) {
    case "exit":
      return `it exited with ${ending.code}`;
    case "trap":
      return `it trapped: ${ending.error.message}${memoryText(ending.memory)}`;
    case "limit":
      return `it was above ${ending.limit}, with ${ending.value}`;
    case "failed":
      return ending.error.message;
    default:
      return "it was stopped";
  }
}
