/** Owns writing a file that a command makes: all of it, or nothing. Knows no command. */

import { randomBytes } from "node:crypto";
import { accessSync, chmodSync, constants, realpathSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/**
 * Writes beside the file's place, and renames: where a write fails half way, as on a full disk, what was there before is still there.
 * What is no file (a device, a pipe) is written to directly.
 * @throws an error of node:fs
 */
export function writeWhole(path: string, contents: string | Uint8Array): void {
  const before = statSync(path, { throwIfNoEntry: false });
  if (before === undefined) {
    replace(path, contents);
    return;
  }
  if (!before.isFile()) {
    writeFileSync(path, contents);
    return;
  }
  // A rename asks nothing of the file that it replaces.
  accessSync(path, constants.W_OK);
  replace(realpathSync(path), contents, before.mode);
}

function replace(target: string, contents: string | Uint8Array, mode?: number): void {
  const beside = join(dirname(target), `.wasyncore-${randomBytes(6).toString("hex")}.tmp`);
  try {
    writeFileSync(beside, contents, { flag: "wx" });
    if (mode !== undefined) chmodSync(beside, mode);
    renameSync(beside, target);
  } catch (error) {
    rmSync(beside, { force: true });
    throw error;
  }
}
