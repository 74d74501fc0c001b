/**
 * Owns which tests are left out of a run, and what is said of them. Knows no tool.
 *
 * `npm test` is for a machine with Node alone: tests whose tool is missing are left out, and so are those that would
 * build programs in other languages for minutes. Where CI is set, as by `npm run test:all`, every test runs, and a
 * missing tool is a failure.
 */

import { spawnSync } from "node:child_process";
import { appendFileSync } from "node:fs";
import { beforeEach } from "vitest";

/** Names the file that collects what is left out, for the summary at the end of the run: see left-out.ts. */
export const LEFT_OUT_FILE = "WASYNCORE_LEFT_OUT";

const { CI } = process.env;

/** Is every test to run? */
export const runsEverything = CI !== undefined && CI !== "" && CI !== "false";

/**
 * Leaves tests out if there is a reason to.
 * @param tests names them: "The tests on wazero"
 * @param reason why they cannot run, and how to change that; "" where they can
 * @returns the reason, for `describe.skipIf`
 * @throws Error with the reason where every test is to run
 */
export function leaveOut(tests: string, reason: string): string {
  if (reason === "") return reason;
  if (runsEverything) throw new Error(`${tests}: ${reason}`);
  const file = process.env[LEFT_OUT_FILE];
  const line = `${tests}: ${reason}\n`;
  if (file === undefined) process.stderr.write(line);
  else appendFileSync(file, line);
  return reason;
}

/** Leaves tests that take minutes out of a run that is not of every test. @returns the reason */
export function leaveOutSlow(tests: string, reason: string): string {
  return runsEverything ? "" : leaveOut(tests, reason);
}

/** Leaves every test of a file out if there is a reason to: {@link leaveOut}. */
export function leaveFileOut(tests: string, reason: string): void {
  if (leaveOut(tests, reason) === "") return;
  beforeEach(({ skip }) => skip(reason));
}

/** Why tests that need these programs cannot run; "" where all of them are on this machine. */
export function missingTools(...names: string[]): string {
  const missing = names.filter((name) => spawnSync(name, ["--version"], { stdio: "ignore" }).status !== 0);
  return missing.length === 0 ? "" : `${missing.join(" and ")} cannot be found: install it to run them`;
}

/** Why tests of what Linux alone has cannot run; "" on Linux. */
export function missingLinux(): string {
  return process.platform === "linux" ? "" : "this is not Linux, and no other system has what they test";
}
