/** A program with packages of npm prints in a component what it prints on Node. */

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { build } from "esbuild";
import { expect, test } from "vitest";
import { ROOT } from "../support/processes.js";
import { buildProgram, missing, run } from "./support.js";

const LIMIT_MS = 120_000;
const ENTRY = "tests/typescript/programs/packages.ts";

test.skipIf(missing !== "")(
  "packages of npm do the same as on Node",
  async () => {
    const outfile = join(ROOT, "build/typescript/packages.mjs");
    const options = { bundle: true, platform: "node", format: "esm", packages: "external" } as const;
    await build({ ...options, entryPoints: [ENTRY], absWorkingDir: ROOT, outfile, logLevel: "error" });
    const expected = spawnSync(process.execPath, [outfile], { encoding: "utf8", cwd: ROOT }).stdout;
    expect(expected).toContain("écho");
    const { stdout, stderr } = await run(await buildProgram(ENTRY, "packages")).ended;
    expect(stderr).toBe("");
    expect(stdout).toBe(expected);
  },
  LIMIT_MS,
);
