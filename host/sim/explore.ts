/**
 * Owns looking for a seed that makes a scenario fail: on this thread, or on all cores. Knows worlds by their public API
 * alone; leaves shrinking a failure to `shrink`.
 */

import { counted } from "../backend/counted.js";
import { checkInteger, checkMs, checkOptions } from "../backend/check.js";
import { writeLog } from "../backend/log.js";
import { textOf } from "../backend/traceback.js";
import { checkFaults, type FaultTable, type Injection } from "./fault-table.js";
import { Progress } from "./progress.js";
import {
  checkScenarioModule,
  importScenario,
  type Run,
  runOnce,
  type Scenario,
  type ScenarioModule,
} from "./scenario.js";
import { Shrinker } from "./shrink.js";
import { defaultThreads, lowestFailure } from "./threads.js";
import type { WorldOptions } from "./world.js";

export type { Scenario, ScenarioModule } from "./scenario.js";

export interface ExploreOptions {
  /** A function, which runs on this thread; or the module that exports one, which all cores import and run. */
  readonly scenario: Scenario | ScenarioModule;
  /** How many seeds are tried, from {@link firstSeed} on. */
  readonly seeds: number;
  /** Default 1. */
  readonly firstSeed?: number;
  readonly faults?: FaultTable;
  /** From this time of the world on no fault comes. Default: never. */
  readonly faultsUntilMs?: number;
  /** How many connections, messages or whatever the scenario makes; a failure is looked for with fewer. Default 1. */
  readonly size?: number;
  /** How many runs shrinking a failure may take. Default 500; 0 does not shrink. */
  readonly shrinkRuns?: number;
  /** How many threads try seeds, where the scenario is a module. Default: as many as there are cores. */
  readonly threads?: number;
  /** Milliseconds of real time that a scenario may wait while its world stands still. Default 60,000. */
  readonly patienceMs?: number;
}

/** The first failure, and what is needed for it. */
export interface Failure {
  /** The lowest seed that fails. */
  readonly seed: number;
  /** What the scenario threw in the smallest run that still failed. */
  readonly error: unknown;
  readonly size: number;
  /** For `new SimWorld`: the run again, step by step. */
  readonly world: WorldOptions;
  /** The faults that are needed. */
  readonly injections: readonly Injection[];
  readonly traceHash: string;
}

export interface Exploration {
  /** How many seeds were tried, up to the one that fails; threads may have begun some after it. */
  readonly seeds: number;
  /** How many runs these and shrinking the failure took. */
  readonly runs: number;
  readonly failure: Failure | undefined;
}

const OPTIONS = [
  "scenario",
  "seeds",
  "firstSeed",
  "faults",
  "faultsUntilMs",
  "size",
  "shrinkRuns",
  "threads",
  "patienceMs",
] as const;
const SEED_MAX = 0xffff_ffff;
const SEEDS_MAX = 0x7fff_ffff;
const THREADS_MAX = 1024;
const SHRINK_RUNS = 500;
const PATIENCE_MS = 60_000;

/**
 * Runs a scenario with one seed after the other, stops at the first failure, logs its seed, and shrinks it: a smaller
 * size, fewer kinds of faults, fewer faults, until nothing can be taken away. Whatever the number of threads, the failure is
 * that of the lowest seed that fails.
 * @throws TypeError, RangeError for options; Error ERR_NOT_REPEATABLE where a seed that failed on a thread passes on this one,
 * ERR_SCENARIO_STALLED where a scenario does not end while nothing happens in its world, ERR_THREAD_ENDED
 */
export async function explore(options: ExploreOptions): Promise<Exploration> {
  checkOptions("options", options as unknown, OPTIONS);
  const { scenario, seeds, firstSeed = 1, faults = {}, faultsUntilMs, size = 1, shrinkRuns = SHRINK_RUNS } = options;
  const { threads = defaultThreads(), patienceMs = PATIENCE_MS } = options;
  const module = typeof scenario === "function" ? undefined : checkScenarioModule("options.scenario", scenario);
  checkInteger("options.firstSeed", firstSeed, 0, SEED_MAX);
  checkInteger("options.seeds", seeds, 1, Math.min(SEEDS_MAX, SEED_MAX - firstSeed + 1));
  checkInteger("options.size", size, 1, Number.MAX_SAFE_INTEGER);
  checkInteger("options.shrinkRuns", shrinkRuns, 0, Number.MAX_SAFE_INTEGER);
  checkInteger("options.threads", threads, 1, THREADS_MAX);
  checkInteger("options.patienceMs", patienceMs, 1, SEEDS_MAX);
  checkFaults("options.faults", faults);
  if (faultsUntilMs !== undefined) checkMs("options.faultsUntilMs", faultsUntilMs);
  const found = module === undefined ? (scenario as Scenario) : await importScenario(module.url, module.name);
  const worldOf = (index: number): WorldOptions => ({
    seed: firstSeed + index,
    faults,
    ...(faultsUntilMs !== undefined && { faultsUntilMs }),
  });
  const progress = new Progress(seeds);
  const show = (tried: number): void => progress.show(tried);
  let failed: Run | undefined;
  try {
    if (module === undefined || threads === 1) {
      for (let index = 0; index < seeds && failed === undefined; index++) {
        const run = await runOnce(found, worldOf(index), size, patienceMs);
        if (run.thrown !== undefined) failed = run;
        show(index + 1);
      }
    } else {
      const work = { ...module, seeds, firstSeed, faults, faultsUntilMs, size, patienceMs };
      const lowest = await lowestFailure(threads, work, show);
      if (lowest !== undefined) failed = await again(found, worldOf(lowest), size, patienceMs);
    }
  } finally {
    progress.end();
  }
  if (failed === undefined) return { seeds, runs: seeds, failure: undefined };
  const { seed = firstSeed } = failed.options;
  const tried = seed - firstSeed + 1;
  writeLog(
    "explore",
    `seed ${seed} fails after ${faultCount(failed.world.injections)}: ${errorText(failed)}`,
    "stdout",
  );
  const shrinker = new Shrinker(found, failed, shrinkRuns, patienceMs);
  const failure = failureOf(await shrinker.shrink(), seed);
  const what = `needs ${faultCount(failure.injections)}, at size ${failure.size}`;
  writeLog("explore", [`seed ${seed} ${what}`, ...linesOf(failure.injections)].join("\n"), "stdout");
  return { seeds: tried, runs: tried + shrinker.runs, failure };
}

/** A run that has failed on another thread, on this one. */
async function again(scenario: Scenario, options: WorldOptions, size: number, patienceMs: number): Promise<Run> {
  const run = await runOnce(scenario, options, size, patienceMs);
  if (run.thrown !== undefined) return run;
  const message = `seed ${options.seed} failed on another thread, and passes on this one: the scenario is not repeatable`;
  throw Object.assign(new Error(message), { code: "ERR_NOT_REPEATABLE" });
}

function failureOf({ world, options, size, thrown }: Run, seed: number): Failure {
  const { injections } = world;
  return { seed, error: thrown?.error, size, world: options, injections, traceHash: world.traceHash() };
}

function errorText({ thrown }: Run): string {
  const { error } = thrown ?? {};
  return textOf(() => (error instanceof Error ? `${error.name}: ${error.message}` : error));
}

function faultCount({ length }: readonly Injection[]): string {
  return counted(length, "fault");
}

function linesOf(injections: readonly Injection[]): string[] {
  return injections.map(
    ({ atMs, name, host, detail }) => `  ${atMs.toFixed(6)} ms  ${host === "" ? "network" : host}  ${name}: ${detail}`,
  );
}
