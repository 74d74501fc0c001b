/** Owns taking away from a run that fails what does not matter for its failure. Knows runs; knows nothing of the scenario. */

import { textOf } from "../backend/traceback.js";
import type { FaultName } from "./fault-table.js";
import { type Run, runOnce, type Scenario, STALLED } from "./scenario.js";
import type { WorldOptions } from "./world.js";

export class Shrinker {
  runs = 0;
  readonly #scenario: Scenario;
  readonly #runsMax: number;
  readonly #patienceMs: number;
  readonly #kind: string;
  #best: Run;

  constructor(scenario: Scenario, failed: Run, runsMax: number, patienceMs: number) {
    this.#scenario = scenario;
    this.#best = failed;
    this.#runsMax = runsMax;
    this.#patienceMs = patienceMs;
    this.#kind = kindOf(failed);
  }

  /** A smaller size, fewer kinds of faults, fewer faults: over again until nothing can be taken away. */
  async shrink(): Promise<Run> {
    while (true) {
      const before = this.#best;
      await this.#shrinkSize();
      await this.#shrinkNames();
      await this.#shrinkFaults();
      if (this.#best === before || this.runs >= this.#runsMax) return this.#best;
    }
  }

  /** @returns whether it fails in the same way, and so is the best one now */
  async #tries(options: WorldOptions, size: number): Promise<boolean> {
    if (this.runs >= this.#runsMax) return false;
    this.runs += 1;
    const run = await this.#run(options, size);
    if (run?.thrown === undefined || kindOf(run) !== this.#kind) return false;
    this.#best = run;
    return true;
  }

  /** @returns undefined where the scenario stalls: that is another failure, and says nothing of the one that is shrunk */
  async #run(options: WorldOptions, size: number): Promise<Run | undefined> {
    try {
      return await runOnce(this.#scenario, options, size, this.#patienceMs);
    } catch (error) {
      if ((error as { readonly code?: unknown } | undefined)?.code === STALLED) return undefined;
      throw error;
    }
  }

  /** Small sizes first; then one less, as long as that fails too. */
  async #shrinkSize(): Promise<void> {
    const { options, size } = this.#best;
    for (let smaller = 1; smaller < size; smaller *= 2) if (await this.#tries(options, smaller)) break;
    while (this.#best.size > 1 && (await this.#tries(options, this.#best.size - 1)));
  }

  async #shrinkNames(): Promise<void> {
    for (const name of Object.keys(this.#best.options.faults ?? {}) as FaultName[]) {
      const { options, size } = this.#best;
      const { [name]: _left, ...faults } = options.faults ?? {};
      await this.#tries({ ...options, faults }, size);
    }
  }

  /** Takes away halves of the faults, then quarters, and so on: Zeller's ddmin. */
  async #shrinkFaults(): Promise<void> {
    let parts = 2;
    let kept = keysOf(this.#best);
    while (kept.length > 0 && parts <= 2 * kept.length && this.runs < this.#runsMax) {
      const length = Math.ceil(kept.length / parts);
      let isSmaller = false;
      for (let at = 0; at < kept.length; at += length) {
        const rest = new Set([...kept.slice(0, at), ...kept.slice(at + length)]);
        const leavesOut = (name: FaultName, occurrence: number): boolean => !rest.has(`${name} ${occurrence}`);
        const { options, size } = this.#best;
        if (!(await this.#tries({ ...options, leavesOut }, size))) continue;
        isSmaller = true;
        break;
      }
      // In the run without them, some of the others may not have come either.
      kept = keysOf(this.#best);
      if (isSmaller) parts = Math.max(2, parts - 1);
      else if (length === 1) return;
      else parts *= 2;
    }
  }
}

function keysOf({ world }: Run): string[] {
  return world.injections.map(({ name, occurrence }) => `${name} ${occurrence}`);
}

/** Two failures are the same where the class of the error is, and its code. */
function kindOf({ thrown }: Run): string {
  const error = (thrown?.error ?? {}) as { readonly name?: unknown; readonly code?: unknown };
  return `${textOf(() => error.name)} ${textOf(() => error.code)}`;
}
