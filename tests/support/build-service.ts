/**
 * Owns the processes that build guests for all test files of a run: vitest's global setup, once a run. Knows neither a guest nor a
 * test; builds.ts is how tests ask.
 */

import { type ChildProcess, fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { BUILDERS } from "./builds.js";
import { ROOT } from "./processes.js";
import { jcoModules } from "./wasi-runtimes.js";

export default async function setup(): Promise<() => void> {
  if (process.env[BUILDERS] !== undefined) return () => undefined;
  const directory = mkdtempSync(join(tmpdir(), "wasyncore-builders-"));
  const program = fileURLToPath(new URL("./builder.mjs", import.meta.url));
  const builders = Array.from({ length: Math.ceil(availableParallelism() / 4) }, (_, index) => {
    const path = join(directory, String(index));
    // Components are made with jco, which is not a package of this one.
    const env = { ...process.env, NODE_PATH: jcoModules };
    return { path, child: fork(program, [path], { cwd: ROOT, env, execArgv: [] }) };
  });
  await Promise.all(builders.map(({ child }) => listening(child)));
  process.env[BUILDERS] = builders.map(({ path }) => path).join(":");
  return () => {
    for (const { child } of builders) child.disconnect();
    rmSync(directory, { recursive: true });
  };
}

function listening(child: ChildProcess): Promise<void> {
  return new Promise((settled, failed) => {
    child.once("message", () => settled());
    child.once("exit", (code, signal) =>
      failed(new Error(`a process that builds guests has ended: ${signal ?? code}`)),
    );
  });
}
