/**
 * Owns what the package itself uses of Node's timers and files: those of the process, other than the program's where these are
 * recorded or replayed. Knows neither. It is evaluated before the program's are hooked.
 */

import * as fs from "node:fs";

/** What is used of the timers. */
export type Timers = Pick<
  typeof globalThis,
  "setTimeout" | "setInterval" | "setImmediate" | "clearTimeout" | "clearInterval" | "clearImmediate"
>;

export let timers: Timers = globalThis;

/** Before the program's are hooked. @param inside what Node calls by the hooked names in this call is not the program's */
export function keepOwn(inside: <T>(call: () => T) => T): void {
  timers = { setTimeout, setInterval, setImmediate, clearTimeout, clearInterval, clearImmediate };
  const { readFileSync } = files;
  files.readFileSync = ((...args: Parameters<typeof readFileSync>) =>
    inside(() => readFileSync(...args))) as typeof readFileSync;
}

/** Not by their names in the module, which are the hooked ones then. */
export const files = {
  closeSync: fs.closeSync,
  fstatSync: fs.fstatSync,
  ftruncateSync: fs.ftruncateSync,
  openSync: fs.openSync,
  readFileSync: fs.readFileSync,
  readSync: fs.readSync,
  writeSync: fs.writeSync,
};
