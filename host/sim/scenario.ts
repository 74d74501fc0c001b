/**
 * Owns what a scenario is, how one is run once, and how one is found in a module. Knows worlds by their public API alone.
 */

import { checkOptions, checkString } from "../backend/check.js";
import { SimWorld, type WorldOptions } from "./world.js";

/**
 * Makes hosts in a world, runs it, and throws, or rejects, where something is not as it should be.
 * @param size how much the scenario does: see `ExploreOptions.size`
 */
export type Scenario = (world: SimWorld, size: number) => unknown;

/** A scenario that a module exports: each thread imports it. */
export interface ScenarioModule {
  /** The URL of the module: `new URL("./scenario.js", import.meta.url)`, or `import.meta.url` itself. */
  readonly module: string | URL;
  /** The name by which it exports the scenario. Default "default". */
  readonly export?: string;
}

/** The code of the error where a scenario does not end. */
export const STALLED = "ERR_SCENARIO_STALLED";

export interface Run {
  readonly world: SimWorld;
  readonly options: WorldOptions;
  readonly size: number;
  readonly thrown: { readonly error: unknown } | undefined;
}

// Of the process that explores: it is nothing of a world.
// oxlint-disable-next-line no-restricted-globals
const exploring = process;

/**
 * Runs a scenario in a world of its own, and ends the threads of the guests that are left in it.
 * @throws Error ERR_SCENARIO_STALLED where it does not end, and its world has stood still for so long
 */
export function runOnce(scenario: Scenario, options: WorldOptions, size: number, patienceMs: number): Promise<Run> {
  const world = new SimWorld(options);
  return unlessStalled(run(), world, patienceMs);

  async function run(): Promise<Run> {
    try {
      await scenario(world, size);
      return { world, options, size, thrown: undefined };
    } catch (error) {
      return { world, options, size, thrown: { error } };
    } finally {
      world[Symbol.dispose]();
    }
  }
}

function unlessStalled(ended: Promise<Run>, world: SimWorld, patienceMs: number): Promise<Run> {
  let before = "";
  return new Promise((resolve, reject) => {
    const fail = (): void => {
      stop();
      world[Symbol.dispose]();
      const message = `the scenario does not end with seed ${world.seed}, and nothing happens in its world`;
      reject(Object.assign(new Error(message), { code: STALLED }));
    };
    const look = (): void => {
      const now = `${world.turns} ${world.nowMs}`;
      if (now === before) fail();
      before = now;
    };
    const timer = setInterval(look, patienceMs).unref();
    const stop = (): void => {
      clearInterval(timer);
      exploring.off("beforeExit", fail);
    };
    // Nothing is left in the whole process that could end it.
    exploring.on("beforeExit", fail);
    void ended.then(resolve).finally(stop);
  });
}

/** @throws TypeError */
export function checkScenarioModule(name: string, value: unknown): { readonly url: string; readonly name: string } {
  checkOptions(name, value, ["module", "export"]);
  const { module, export: exported = "default" } = value;
  const url: unknown = module instanceof URL ? module.href : module;
  checkString(`${name}.module`, url);
  checkString(`${name}.export`, exported);
  return { url, name: exported };
}

/** @throws TypeError where the module has no such function, and what importing it throws */
export async function importScenario(url: string, name: string): Promise<Scenario> {
  const exports = (await import(url)) as Readonly<Record<string, unknown>>;
  const scenario = exports[name];
  if (typeof scenario === "function") return scenario as Scenario;
  throw Object.assign(new TypeError(`${url} exports no function "${name}"`), { code: "ERR_INVALID_ARG_VALUE" });
}
