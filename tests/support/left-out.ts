/** Owns the summary of the tests that a run has left out: vitest's global setup, once a run. Knows no test. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LEFT_OUT_FILE } from "./missing.js";

export default function setup(): () => void {
  if (process.env[LEFT_OUT_FILE] !== undefined) return () => undefined;
  const directory = mkdtempSync(join(tmpdir(), "wasyncore-left-out-"));
  const file = join(directory, "left-out");
  writeFileSync(file, "");
  process.env[LEFT_OUT_FILE] = file;
  return () => {
    const lines = [...new Set(readFileSync(file, "utf8").split("\n"))].filter((line) => line !== "").toSorted();
    rmSync(directory, { recursive: true });
    if (lines.length === 0) return;
    process.stdout.write(
      `\nLeft out of this run; "npm run test:all" runs every test, and fails where something is missing:\n  ${lines.join("\n  ")}\n`,
    );
  };
}
