/** Owns what a program on Node learns of its process by the names that guests have. Knows no channel and no socket. */

import { checkString } from "../backend/check.js";
import type { OSError } from "../backend/errors.js";

/** The arguments: the program's path first. */
export function programArguments(): string[] {
  return process.argv.slice(1);
}

/** The value of an environment variable, or null. */
export function environmentVariable(name: string): string | null {
  checkString("name", name);
  return process.env[name] ?? null;
}

/**
 * In a guest the error of what has failed in this callback, or null: guests cannot catch. On Node what fails is thrown
 * where it fails, and so there is never an error that waits.
 * @returns null
 */
export function takeError(): OSError | null {
  return null;
}
