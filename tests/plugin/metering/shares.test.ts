/** Holds how the memory that a policy allows is divided among the modules of a component. */

import * as fc from "fast-check";
import { expect, test } from "vitest";
import { shareMemory } from "../../../host/plugin/metering/shares.js";

const PAGE = 65_536;
const HEADER = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];

interface Declared {
  readonly minimum: number;
  readonly maximum: number | undefined;
}

/** A module with nothing but a memory, of fewer than 128 pages; or without one. */
function moduleWith(memory: Declared | undefined): Uint8Array {
  if (memory === undefined) return Uint8Array.from(HEADER);
  const { minimum, maximum } = memory;
  const limits = maximum === undefined ? [0, minimum] : [1, minimum, maximum];
  return Uint8Array.from([...HEADER, 5, 1 + limits.length, 1, ...limits]);
}

const growing = (minimum: number): Uint8Array => moduleWith({ minimum, maximum: undefined });

test.each([
  ["in proportion to what they begin with", [3, 1], 8, [6, 2]],
  ["the rest of a division is the largest one's", [3, 2], 9, [6, 3]],
  ["one that begins with nothing may grow as well", [0, 4], 9, [1, 8]],
])("%s", (_name, minimums, pages, expected) => {
  const shares = shareMemory(minimums.map(growing), pages * PAGE + 100);
  expect(shares).toEqual(expected.map((share) => share * PAGE));
});

test("where they begin with more than is allowed each may have all: it is seen when they are instantiated", () => {
  expect(shareMemory([5, 5].map(growing), 9 * PAGE)).toEqual([9 * PAGE, 9 * PAGE]);
});

test("each has what it begins with, none more than it declares, and all together what is allowed", () => {
  const memory = fc
    .tuple(fc.nat({ max: 30 }), fc.option(fc.nat({ max: 60 }), { nil: undefined }))
    .map(([minimum, more]): Declared => ({ minimum, maximum: more === undefined ? undefined : minimum + more }));
  const memories = fc.array(fc.option(memory, { nil: undefined }), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(memories, fc.nat({ max: 300 }), (declared, more) => {
      const begin = declared.reduce((total, each) => total + (each?.minimum ?? 0), 0);
      const pages = begin + more;
      const shares = shareMemory(declared.map(moduleWith), pages * PAGE).map((bytes) => bytes / PAGE);
      let mostOf = 0;
      for (const [index, each] of declared.entries()) {
        const share = shares[index] ?? -1;
        if (each === undefined) expect(share).toBe(0);
        else {
          expect(share).toBeGreaterThanOrEqual(each.minimum);
          expect(share).toBeLessThanOrEqual(each.maximum ?? Infinity);
          mostOf += each.maximum ?? Infinity;
        }
      }
      expect(shares.reduce((total, share) => total + share, 0)).toBe(Math.min(pages, mostOf));
    }),
  );
});
