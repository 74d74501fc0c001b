/** Metering changes nothing but the count: modules made at random do the same with it as without. */

import binaryen from "assemblyscript/binaryen";
import { describe, expect, test } from "vitest";
import { prepareModule } from "../../../host/plugin/metering/prepare.js";
import { randomModule } from "./random-module.js";
import { type Exports, instantiate, METERED, metered, UNLIMITED } from "./support.js";

const SEEDS = 150;
const FIRST_SEED = Number(process.env["METERING_SEED"] ?? 1);
const ARGUMENTS = [
  [0, 0n, 0],
  [1, -1n, 0.5],
  [-7, 123_456_789_012n, -1e9],
] as const;

function binaryOf(text: string): Uint8Array {
  const module = binaryen.parseText(text);
  try {
    // With garbage collection it would write heap types that Node 20 does not know.
    module.setFeatures(binaryen.Features.All & ~binaryen.Features.GC);
    return module.emitBinary();
  } finally {
    module.dispose();
  }
}

/** What can be observed of an instance: results or traps, calls of the host, and its memory. */
function observe(make: (imports: object) => Exports): unknown[] {
  const seen: unknown[] = [];
  const see = (value: number): number => {
    seen.push(value);
    return value ^ 5;
  };
  const exports = make({ host: { see } });
  for (const parameters of ARGUMENTS) {
    try {
      seen.push(exports["run"]?.(...parameters));
    } catch (error) {
      seen.push(error instanceof Error ? error.message : "an exception");
    }
    const { buffer } = exports["memory"] as unknown as { buffer: ArrayBuffer };
    seen.push(
      buffer.byteLength,
      Buffer.from(buffer).reduce((sum, byte, at) => (sum * 31 + byte + at) | 0, 0),
    );
  }
  return seen;
}

describe("a module made at random", () => {
  test.each(Array.from({ length: SEEDS }, (_, index) => FIRST_SEED + index))("(seed %i) does the same", (seed) => {
    const bytes = binaryOf(randomModule(seed));
    const expected = observe((imports) => instantiate(bytes, imports));
    expect(observe((imports) => metered(bytes, undefined, imports).exports)).toEqual(expected);
    expect(observe((imports) => instantiate(prepareModule(bytes, UNLIMITED).bytes, imports))).toEqual(expected);
  });

  test("that is cut or damaged anywhere is refused, or is as invalid as it was", () => {
    const bytes = binaryOf(randomModule(FIRST_SEED));
    let refused = 0;
    for (let at = 8; at < bytes.length; at += 7) {
      for (const damaged of [bytes.subarray(0, at), bytes.with(at, (bytes[at] ?? 0) ^ 0x55)]) {
        try {
          prepareModule(damaged, METERED);
        } catch (error) {
          expect(error).toMatchObject({ name: "ModuleError" });
          refused++;
        }
      }
    }
    expect(refused).toBeGreaterThan(100);
  });
});
