/** Owns how the tests of recorded programs run them: a directory of their own, recording, replaying. Knows no program. */

import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { onTestFinished } from "vitest";
import { type Ending, ROOT, Running } from "../support/processes.js";

export const command = promisify(execFile);
const CLI = `${ROOT}dist/cli/main.js`;

/** Removed when the test ends. */
export function directory(): string {
  const made = mkdtempSync(join(tmpdir(), "wasyncore-"));
  onTestFinished(() => rmSync(made, { recursive: true }));
  return made;
}

/** How the replay of `program`, a file and its arguments, ends. */
export function replayed(
  path: string,
  program: readonly string[],
  more: readonly string[] = [],
  env = {},
): Promise<Ending> {
  const args = [CLI, "replay", path, ...more, "--", process.execPath, ...program];
  return new Running(process.execPath, args, ROOT, { env: { ...process.env, ...env } }).ended;
}
