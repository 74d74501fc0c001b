/** Owns the end of a program. Knows descriptors; knows no channel. */

import { descriptorAt, descriptorEnd, removeDescriptor } from "./descriptors";
import { drainAndFree, drainingCount } from "./draining";
import { pollDraining } from "./poll-calls";

export { cabi_realloc } from "./realloc";

/** Closes what is open, and waits until what was written is on its way. @returns 0: success, as wasi:cli/run has it */
export function finish(): i32 {
  for (let fd = 0; fd < descriptorEnd(); fd++) {
    const descriptor = descriptorAt(fd);
    if (descriptor === null) continue;
    removeDescriptor(fd);
    drainAndFree(descriptor);
  }
  while (drainingCount() > 0) pollDraining();
  return 0;
}
