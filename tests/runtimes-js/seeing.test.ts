/** What docs/observability.md promises of each runtime: messages, contexts, statistics, and lines of NODE_DEBUG. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { requireBuild, ROOT, Running } from "../support/processes.js";
import { missingProgram, programPath, programsNamed } from "../support/programs.js";

const EXPECTED = `true ChannelMap(1) { timers: 0, channels: [Array] }
Echo connected
timer timer,read channel,close channel
accept,close,event,poll,timer,turn
`;

for (const name of [...programsNamed("node"), "bun", "deno"]) {
  describe.skipIf(missingProgram(name) !== "")(`on ${name}`, () => {
    test("messages, contexts, statistics and debug lines", async () => {
      requireBuild("dist/index.js");
      const directory = mkdtempSync(join(tmpdir(), "wasyncore-seeing-"));
      onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
      const parameters = name === "deno" ? ["run", "-A", "--node-modules-dir=manual"] : [];
      const env = { ...process.env, NODE_DEBUG: "wasyncore" };
      const program = ["tests/runtimes-js/seeing.mjs", join(directory, "stats.sock")];
      const running = new Running(programPath(name), [...parameters, ...program], ROOT, { env });
      const { code, stdout, stderr } = await running.ended;
      expect({ code, stdout }).toEqual({ code: 0, stdout: EXPECTED });
      if (name === "bun") expect(stderr).toBe("");
      else expect(stderr).toMatch(/^WASYNCORE \d+: close <Echo > fd=\d+ in=5 out=/m);
    });
  });
}
