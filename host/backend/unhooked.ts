/**
 * Owns the timers and the functions of node:fs that the package itself uses. They are Node's own also where those of the program
 * are recorded or replayed: what the package does is not in a recording. Knows no recording. Evaluated before the hooks are put in.
 */

import * as fs from "node:fs";

/** What is used of the timers. */
export type Timers = Pick<
  typeof globalThis,
  "setTimeout" | "setInterval" | "setImmediate" | "clearTimeout" | "clearInterval" | "clearImmediate"
>;

export let timers: Timers = globalThis;

/** Called before the hooks are put in. @param inside makes a call in which the use of hooked functions is not the program's */
export function keepOwn(inside: <T>(call: () => T) => T): void {
  timers = { setTimeout, setInterval, setImmediate, clearTimeout, clearInterval, clearImmediate };
  const { readFileSync } = files;
  files.readFileSync = ((...args: Parameters<typeof readFileSync>) =>
    inside(() => readFileSync(...args))) as typeof readFileSync;
}

/** Copies: the names of the module are the hooked functions later. */
export const files = {
  closeSync: fs.closeSync,
  fstatSync: fs.fstatSync,
  ftruncateSync: fs.ftruncateSync,
  openSync: fs.openSync,
  readFileSync: fs.readFileSync,
  readSync: fs.readSync,
  rmdirSync: fs.rmdirSync,
  unlinkSync: fs.unlinkSync,
  writeSync: fs.writeSync,
};
