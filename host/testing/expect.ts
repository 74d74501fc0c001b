/** Owns what a test asks of a world. Knows worlds by their public API; knows no test runner. */

import { AssertionError } from "node:assert";
import { checkFunction, checkInstance, checkMs, checkOptions, checkString } from "../backend/check.js";
import { SimWorld } from "../sim/world.js";

export interface UntilOptions {
  /** How long it may take, in milliseconds of the world. Default 60,000. */
  readonly withinMs?: number;
  /** What is waited for, for the message. */
  readonly what?: string;
}

const WITHIN_MS = 60_000;

/**
 * Runs a world until something is so.
 * @param isSo called between turns
 * @throws AssertionError with the faults that came, where it is not so in time, or nothing is left that could happen
 */
export async function until(world: SimWorld, isSo: () => boolean, options: UntilOptions = {}): Promise<void> {
  checkInstance("world", world, SimWorld);
  checkFunction("isSo", isSo);
  checkOptions("options", options as unknown, ["withinMs", "what"]);
  const { withinMs = WITHIN_MS, what = "what the test waits for" } = options;
  checkMs("options.withinMs", withinMs);
  checkString("options.what", what);
  const end = await world.run({ untilMs: world.nowMs + withinMs, until: isSo });
  // Promises may have gone on since it was last asked.
  if (end === "until" || isSo()) return;
  const why = end === "idle" ? "nothing is left that could happen" : `${withinMs} ms have passed`;
  throw new AssertionError({ message: `${what}: ${why}\n${world.explain()}`, stackStartFn: until });
}

/**
 * Holds a run against a trace hash of an earlier one: has anything happened in another order, at another time, with other
 * bytes?
 * @param hash what `world.traceHash()` was
 * @throws AssertionError
 */
export function expectTrace(world: SimWorld, hash: string): void {
  checkInstance("world", world, SimWorld);
  checkString("hash", hash);
  const actual = world.traceHash();
  if (actual === hash) return;
  const message = `the run differs: its trace hash is ${actual}, not ${hash}\n${world.explain()}`;
  throw new AssertionError({ message, actual, expected: hash, operator: "strictEqual", stackStartFn: expectTrace });
}
