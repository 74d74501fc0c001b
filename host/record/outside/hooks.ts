/**
 * Owns the hooks in what a program uses of Node besides its backend: node:fs, the timers, `Date`, `Math.random` and signals. Who
 * records or replays the program answers them. Imports nothing of the package: it is loaded before the rest of it.
 *
 * The hooks are put in when the package is imported, so that modules which are evaluated later find them, `promisify(open)`
 * included; until something answers them, they call what was there.
 */

import { syncBuiltinESMExports } from "node:module";
import { attachLater, installSignals } from "./answer.js";
import { installFiles } from "./files.js";
import { installTime, installTimers } from "./timers.js";
import { installWatching } from "./watching.js";

export { inside } from "./answer.js";

/** @param attach called at the program's first call of a hook: it says who answers */
export function installOutside(attach: () => void): void {
  attachLater(attach);
  installFiles();
  installWatching();
  installTimers();
  installTime();
  installSignals();
  syncBuiltinESMExports();
}
