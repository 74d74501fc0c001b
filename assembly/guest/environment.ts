/** Owns what the program was started with: arguments and environment, each read from the host once. */

import { findVariable, readArguments } from "../wasi/system";


@lazy
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
  if (at == 0) return null;
  let end = at;
  while (load<u8>(end) != 0) end += 1;
  return String.UTF8.decodeUnsafe(at, end - at);
}
