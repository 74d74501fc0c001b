/** Owns what the program was started with: arguments and environment. Each is read from the host once. */

import { readArguments, readEnvironment } from "../wasi/system";

let args: string[] | null = null;
let variables: string[] | null = null;

/** The arguments: the program's name first, where the host gives one. */
export function programArguments(): string[] {
  const known = args;
  if (known !== null) return known;
  const read = readArguments();
  args = read;
  return read;
}

/** The value of an environment variable, or null. */
export function environmentVariable(name: string): string | null {
  let known = variables;
  if (known === null) {
    known = readEnvironment();
    variables = known;
  }
  const prefix = name + "=";
  for (let i = 0; i < known.length; i++) {
    if (known[i].startsWith(prefix)) return known[i].substring(prefix.length);
  }
  return null;
}
