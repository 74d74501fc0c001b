/**
 * Owns where the WASI runtimes are that scripts/install-runtimes.sh installs, and jco, which makes components. Knows nothing of what
 * they are used for.
 */

import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { leaveOut } from "./missing.js";
import { listedBy } from "./programs.js";

const SCRIPT = "scripts/install-runtimes.sh";

const paths = listedBy(SCRIPT);

/** Where one is, or would be: "wasmtime", "wasmtime-lts", "wazero", "jco". */
export function runtimePath(name: string): string {
  const path = paths.get(name);
  if (path === undefined) throw new Error(`${SCRIPT} --list has no ${name}`);
  return path;
}

/** Leaves tests out where a runtime is missing. @returns the reason, for `describe.skipIf` */
export function missingRuntime(name: string, tests: string): string {
  const path = runtimePath(name);
  return existsSync(path) ? "" : leaveOut(tests, `${path} is not there: ${SCRIPT} installs it`);
}

/** The `node_modules` that jco is in: `.../node_modules/@bytecodealliance/jco`. */
export const jcoModules = dirname(dirname(runtimePath("jco")));
