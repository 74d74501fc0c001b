/**
 * Owns the processes that build guests for all test files of a run: vitest's global setup, once a run. Knows neither a guest nor a
 * test; builds.ts is how tests ask.
 */

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
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
  try {
    await Promise.all(builders.map(({ child }) => listening(child)));
  } catch (error) {
    end();
    throw error;
  }
  process.env[BUILDERS] = builders.map(({ path }) => path).join(":");
  for (const { child } of builders) child.on("exit", report);
  return end;

  function end(): void {
    for (const { child } of builders) {
      child.off("exit", report);
      if (child.connected) child.disconnect();
    }
    rmSync(directory, { recursive: true, force: true });
  }
}

/** @throws Error where it ends before it listens */
async function listening(child: ChildProcess): Promise<void> {
  const ended = once(child, "exit").then(([code, signal]) => {
    throw new Error(`a process that builds guests has not started: it has ended with ${code ?? signal}`);
  });
  await Promise.race([once(child, "message"), ended]);
  ended.catch(() => undefined);
}

function report(code: number | null, signal: NodeJS.Signals | null): void {
  process.stderr.write(`a process that builds guests for the tests has ended with ${code ?? signal}\n`);
}
