/**
 * Owns where the programs are that scripts/install-js-runtimes.sh installs: versions of Node, Bun, Deno and TypeScript. Knows
 * nothing of what they are used for.
 */

import { execFileSync } from "node:child_process";
import { accessSync } from "node:fs";
import { leaveOut } from "./missing.js";
import { ROOT } from "./processes.js";

const SCRIPT = "scripts/install-js-runtimes.sh";

const paths = listedBy(SCRIPT);

/** The paths of what a script installs, by name: each is there or not. */
export function listedBy(script: string): ReadonlyMap<string, string> {
  const lines = execFileSync(`${ROOT}${script}`, ["--list"], { encoding: "utf8" }).trim().split("\n");
  return new Map(lines.map((line) => line.split(" ", 2) as [string, string]));
}

/** The names that begin with a word: "node20", "node22", ... */
export function programsNamed(beginning: string): string[] {
  return [...paths.keys()].filter((name) => name.startsWith(beginning));
}

/** Where a program is: what an environment variable names (BUN, DENO, NODE22, ...), or the installed one. */
export function programPath(name: string): string {
  return process.env[name.toUpperCase().replaceAll(".", "_")] ?? paths.get(name) ?? "";
}

/** Leaves the tests on a program out where it is missing. @returns the reason, for `describe.skipIf` */
export function missingProgram(name: string): string {
  try {
    accessSync(programPath(name));
    return "";
  } catch {
    return leaveOut(`tests on ${name}`, `${name} is missing: run ${SCRIPT}`);
  }
}
