/** Owns a test in a world of its own, for any test runner that takes a function. Knows worlds by their public API. */

import { checkBoolean, checkFunction, checkInteger, checkOptions, rangeError } from "../backend/check.js";
import { textOf } from "../backend/traceback.js";
import { SimWorld, type WorldOptions } from "../sim/world.js";
import { useWorldClock } from "./clock.js";

/** Options of {@link simulated}: those of `SimWorld`, and two more. */
export interface SimulatedOptions extends WorldOptions {
  /** How many seeds the test is run with, from `seed` on. Default 1. */
  readonly seeds?: number;
  /** Do `Date`, `setTimeout` and `setInterval` go by the world's clock meanwhile? Default false. */
  readonly clock?: boolean;
}

const OPTIONS = ["seed", "start", "faults", "faultsUntilMs", "leavesOut", "limitMs", "seeds", "clock"] as const;
const SEED_MAX = 0xffff_ffff;
/** A whole number: the test runs with this seed alone. */
const SEED_VARIABLE = "WASYNCORE_SEED";

/**
 * A function for a test runner, such as `test` of vitest or node:test, which runs a test in a new world for each seed. The
 * message of an error that the test throws then ends with the seed, how to run it again, and the faults that came.
 * @param scenario makes hosts, runs the world, and throws where something is not as it should be
 * @example
 * test("every line arrives", simulated(async (world) => { ... }, { seeds: 100, faults: { loss: 0.1 } }));
 * @throws TypeError, RangeError
 */
export function simulated(scenario: (world: SimWorld) => unknown, options: SimulatedOptions = {}): () => Promise<void> {
  checkFunction("scenario", scenario);
  checkOptions("options", options as unknown, OPTIONS);
  const { seeds: count = 1, seed: first = 1, clock = false, ...worldOptions } = options;
  checkInteger("options.seed", first, 0, SEED_MAX);
  checkInteger("options.seeds", count, 1, SEED_MAX - first + 1);
  checkBoolean("options.clock", clock);
  return async () => {
    const only = seedOfEnvironment();
    const [from, to] = only === undefined ? [first, first + count] : [only, only + 1];
    for (let seed = from; seed < to; seed++) {
      const world = new SimWorld({ ...worldOptions, seed });
      const restore = clock ? useWorldClock(world) : undefined;
      try {
        await scenario(world);
      } catch (error) {
        throw withSeed(error, world);
      } finally {
        restore?.();
        world[Symbol.dispose]();
      }
    }
  };
}

function seedOfEnvironment(): number | undefined {
  const text = process.env[SEED_VARIABLE];
  if (text === undefined || text === "") return undefined;
  const seed = /^\d{1,10}$/.test(text) ? Number(text) : -1;
  if (seed < 0 || seed > SEED_MAX) throw rangeError(SEED_VARIABLE, "a whole number of 32 bits", JSON.stringify(text));
  return seed;
}

/** The same error, so that a runner shows its difference; what is no error, or cannot be changed, becomes the cause of one. */
function withSeed(error: unknown, world: SimWorld): unknown {
  const { seed } = world;
  const text = `seed ${seed} fails; run it again with ${SEED_VARIABLE}=${seed} in the environment\n${world.explain()}`;
  const message = textOf(() => (error instanceof Error ? error.message : error));
  try {
    if (error instanceof Error) {
      const { stack } = error;
      error.message = `${message}\n\n${text}`;
      if (stack !== undefined && message !== "") error.stack = stack.replace(message, () => error.message);
      return error;
    }
  } catch {
    // It cannot be changed.
  }
  return new Error(`${message}\n\n${text}`, { cause: error });
}
