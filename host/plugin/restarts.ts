/** Owns when a plugin that has ended is started again: by how it ended, its back-off, and the limit of its policy. Knows no run. */

import { performance } from "node:perf_hooks";
import type { Policy } from "./policy/types.js";
import type { PluginEnding } from "./run.js";

export class Restarts {
  #count = 0;
  /** When it was started again, within the window of its policy. */
  #atMs: number[] = [];

  /** Since the plugin was started. */
  get count(): number {
    return this.#count;
  }

  /** The limit is that of a new run from now on. */
  forget(): void {
    this.#atMs = [];
  }

  /** @returns after how many milliseconds it is started again; undefined where it is not */
  next(restart: Policy["restart"], ending: PluginEnding): number | undefined {
    const isFailure = !(ending.kind === "exit" && ending.code === 0);
    const isWanted = restart.when === "always" || (restart.when === "failure" && isFailure);
    const nowMs = performance.now();
    this.#atMs = this.#atMs.filter((atMs) => nowMs - atMs < restart.windowMs);
    const before = this.#atMs.length;
    if (!isWanted || before >= restart.maxRestarts) return undefined;
    this.#atMs.push(nowMs);
    this.#count++;
    const delayMs = restart.minDelayMs === 0 ? 0 : restart.minDelayMs * restart.factor ** before;
    return Math.min(restart.maxDelayMs, delayMs);
  }
}
