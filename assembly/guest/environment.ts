/** Owns what the program was started with: arguments and environment, each read from the host once. */

import { findVariable, readArguments } from "../wasi/system";

let args: string[] | null = null;

/** The arguments: the program's name first, where the host gives one. */
export function programArguments(): string[] {
  let known = args;
  if (known === null) {
    known = readArguments();
    args = known;
  }
  return known;
}

/** The value of an environment variable, or null. */
export function environmentVariable(name: string): string | null {
  const at = findVariable(name);
  return at == 0 ? null : String.UTF8.decodeUnsafe(at, usize.MAX_VALUE - at, true);
}
