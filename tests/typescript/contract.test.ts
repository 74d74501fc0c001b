/** The backend on WASI 0.2 passes the contract of the seam, inside a component on wasmtime; but for what the program leaves out. */

import { join } from "node:path";
import { build } from "esbuild";
import { expect, test } from "vitest";
import { ROOT } from "../support/processes.js";
import { buildProgram, missing, run } from "./support.js";

const LIMIT_MS = 180_000;
/** So many tests are not left out. */
const TESTS_MIN = 85;

test.skipIf(missing !== "")(
  "the backend of a component passes the contract",
  async () => {
    // What `wasyncore build` cannot do: vitest's place is taken by a runner for components.
    const entry = "build/typescript/contract.ts";
    await build({
      entryPoints: ["tests/typescript/contract-program.ts"],
      absWorkingDir: ROOT,
      outfile: join(ROOT, entry),
      bundle: true,
      format: "esm",
      platform: "neutral",
      external: ["wasyncore", "node:*"],
      alias: { vitest: join(ROOT, "tests/typescript/contract-runner.ts") },
      tsconfigRaw: {},
      logLevel: "error",
    });
    const { stdout, stderr, code } = await run(await buildProgram(entry, "contract")).ended;
    const lines = stdout.trimEnd().split("\n");
    expect(lines.filter((line) => line.startsWith("failed"))).toEqual([]);
    expect(lines.filter((line) => line.startsWith("ok ")).length).toBeGreaterThanOrEqual(TESTS_MIN);
    expect(stderr).toBe("");
    expect(code).toBe(0);
  },
  LIMIT_MS,
);
