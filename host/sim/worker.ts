/** Owns a thread of an exploration: tries seeds until none is left that matters. Started by `threads`. */

import { parentPort, workerData } from "node:worker_threads";
import type { FaultTable } from "./fault-table.js";
import { importScenario, runOnce } from "./scenario.js";
import { SeedRace } from "./seed-race.js";

/** What a thread is given. */
export interface ThreadWork {
  readonly url: string;
  readonly name: string;
  readonly words: Int32Array;
  readonly seeds: number;
  readonly firstSeed: number;
  readonly faults: FaultTable;
  readonly faultsUntilMs: number | undefined;
  readonly size: number;
  readonly patienceMs: number;
}

const { url, name, words, seeds, firstSeed, faults, faultsUntilMs, size, patienceMs } = workerData as ThreadWork;
const scenario = await importScenario(url, name);
const race = new SeedRace(words, seeds);
for (let index = race.take(); index !== undefined; index = race.take()) {
  const options = { seed: firstSeed + index, faults, ...(faultsUntilMs !== undefined && { faultsUntilMs }) };
  const { thrown } = await runOnce(scenario, options, size, patienceMs);
  if (thrown !== undefined) race.fail(index);
}
// Otherwise a scenario has ended the thread.
parentPort?.postMessage("done");
