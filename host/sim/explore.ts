/**
 * Owns looking for a seed that makes a scenario fail, and taking away from it what does not matter. Knows worlds by their
 * public API alone.
 */

import { checkFunction, checkInteger, checkOptions } from "../backend/check.js";
import { writeLog } from "../backend/log.js";
import type { FaultName, FaultTable, Injection } from "./fault-table.js";
import { SimWorld, type WorldOptions } from "./world.js";

/**
 * Makes hosts in a world, runs it, and throws, or rejects, where something is not as it should be.
 * @param size how much the scenario does: see {@link ExploreOptions.size}
 */
export type Scenario = (world: SimWorld, size: number) => unknown;

export interface ExploreOptions {
  readonly scenario: Scenario;
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
}

/** The first failure, and what is needed for it. */
export interface Failure {
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
  /** How many seeds were tried. */
  readonly seeds: number;
  /** How many runs were made, those that shrank the failure included. */
  readonly runs: number;
  readonly failure: Failure | undefined;
}

const OPTIONS = ["scenario", "seeds", "firstSeed", "faults", "faultsUntilMs", "size", "shrinkRuns"] as const;
const SEED_MAX = 0xffff_ffff;
const SHRINK_RUNS = 500;

interface Run {
  readonly world: SimWorld;
  readonly options: WorldOptions;
  readonly size: number;
  readonly thrown: { readonly error: unknown } | undefined;
}

/**
 * Runs a scenario with one seed after the other, stops at the first failure, logs its seed, and shrinks it: a smaller
 * size, fewer kinds of faults, fewer faults, until nothing can be taken away.
 * @throws TypeError, RangeError for options
 */
export async function explore(options: ExploreOptions): Promise<Exploration> {
  checkOptions("options", options as unknown, OPTIONS);
  const { scenario, seeds, firstSeed = 1, faults = {}, faultsUntilMs, size = 1, shrinkRuns = SHRINK_RUNS } = options;
  checkFunction("options.scenario", scenario);
  checkInteger("options.firstSeed", firstSeed, 0, SEED_MAX);
  checkInteger("options.seeds", seeds, 1, SEED_MAX - firstSeed + 1);
  checkInteger("options.size", size, 1, Number.MAX_SAFE_INTEGER);
  checkInteger("options.shrinkRuns", shrinkRuns, 0, Number.MAX_SAFE_INTEGER);
  for (let count = 0; count < seeds; count++) {
    const seed = firstSeed + count;
    const run = await runOnce(scenario, { seed, faults, ...(faultsUntilMs !== undefined && { faultsUntilMs }) }, size);
    if (run.thrown === undefined) continue;
    writeLog("explore", `seed ${seed} fails after ${faultCount(run.world.injections)}: ${textOf(run)}`, "stdout");
    const shrinker = new Shrinker(scenario, run, shrinkRuns);
    const failure = await shrinker.shrink();
    const what = `needs ${faultCount(failure.injections)}, at size ${failure.size}`;
    writeLog("explore", [`seed ${seed} ${what}`, ...linesOf(failure.injections)].join("\n"), "stdout");
    return { seeds: count + 1, runs: count + 1 + shrinker.runs, failure };
  }
  return { seeds, runs: seeds, failure: undefined };
}

async function runOnce(scenario: Scenario, options: WorldOptions, size: number): Promise<Run> {
  const world = new SimWorld(options);
  try {
    await scenario(world, size);
    return { world, options, size, thrown: undefined };
  } catch (error) {
    return { world, options, size, thrown: { error } };
  }
}

class Shrinker {
  runs = 0;
  readonly #scenario: Scenario;
  readonly #runsMax: number;
  readonly #kind: string;
  #best: Run;

  constructor(scenario: Scenario, failed: Run, runsMax: number) {
    this.#scenario = scenario;
    this.#best = failed;
    this.#runsMax = runsMax;
    this.#kind = kindOf(failed);
  }

  async shrink(): Promise<Failure> {
    await this.#shrinkSize();
    await this.#shrinkNames();
    await this.#shrinkFaults();
    const { world, options, size, thrown } = this.#best;
    const { seed = 1 } = options;
    const { injections } = world;
    return { seed, error: thrown?.error, size, world: options, injections, traceHash: world.traceHash() };
  }

  /** @returns whether it fails in the same way, and so is the best one now */
  async #tries(options: WorldOptions, size: number): Promise<boolean> {
    if (this.runs >= this.#runsMax) return false;
    this.runs += 1;
    const run = await runOnce(this.#scenario, options, size);
    if (run.thrown === undefined || kindOf(run) !== this.#kind) return false;
    this.#best = run;
    return true;
  }

  async #shrinkSize(): Promise<void> {
    const { options, size } = this.#best;
    for (let smaller = 1; smaller < size; smaller *= 2) if (await this.#tries(options, smaller)) return;
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
  const { name, code } = (thrown?.error ?? {}) as { readonly name?: unknown; readonly code?: unknown };
  return `${String(name)} ${String(code)}`;
}

function textOf({ thrown }: Run): string {
  const { error } = thrown ?? {};
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

function faultCount({ length }: readonly Injection[]): string {
  return length === 1 ? "1 fault" : `${length} faults`;
}

function linesOf(injections: readonly Injection[]): string[] {
  return injections.map(
    ({ atMs, name, host, detail }) => `  ${atMs.toFixed(6)} ms  ${host === "" ? "network" : host}  ${name}: ${detail}`,
  );
}
