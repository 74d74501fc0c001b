/** Holds that no call of a guest, however wrong, throws in the host, leaves its directories or leaves a descriptor open. */

import { readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { fuzz } from "./fuzz.js";

const CALLS = 4000;

test.each([1, 20_260_101, 0x7fff_ffff])("4,000 calls at random, seed %i", { timeout: 60_000 }, (seed) => {
  fuzz(seed, 1);
  const descriptors = readdirSync("/proc/self/fd").length;
  const { answers, faults } = fuzz(seed, CALLS);
  expect(faults).toEqual([]);
  expect(readdirSync("/proc/self/fd")).toHaveLength(descriptors);
  // The calls are not all refused alike: some succeed, and some come as far as the file system.
  for (const errno of [0, 8, 21, 28, 44, 63, 69]) expect(answers.get(errno) ?? 0).toBeGreaterThan(0);
});
