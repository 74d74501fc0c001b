/** Owns the end of a program. Knows descriptors; knows no channel. */

import { descriptorAt, descriptorEnd, removeDescriptor } from "./descriptors";
import { freeWhenSent, pendingOutputCount } from "./pending-output";
import { pollPendingOutput } from "./poll-calls";

export { cabi_realloc } from "./realloc";

/** Closes what is open, and waits until what was written is on its way. @returns 0: success, as wasi:cli/run has it */
export function finish(): i32 {
  for (let fd = 0; fd < descriptorEnd(); fd++) {
    const descriptor = descriptorAt(fd);
    if (descriptor === null) continue;
    removeDescriptor(fd);
    freeWhenSent(descriptor);
  }
  while (pendingOutputCount() > 0) pollPendingOutput();
  return 0;
}
