/**
 * Owns the beginning and the end of a program as the async export `wasi:cli/run` has them. Knows descriptors; knows no
 * channel.
 */

import { CallbackCode, returnFromRun } from "./canonical";
import { dropDescriptor } from "./closing";
import { descriptorEnd, descriptorIn, removeDescriptor } from "./descriptors";
import { stopClock } from "./events";

export { cabi_realloc } from "../component/realloc";

/** The program is over: closes what is open, and reports success. @returns what the export returns */
export function finish(): i32 {
  closeAll();
  returnFromRun(0);
  return CallbackCode.EXIT;
}

/** Closes what is open, the streams of output when what was written to them is on its way. */
export function closeAll(): void {
  for (let fd = descriptorEnd() - 1; fd >= 0; fd--) {
    const descriptor = descriptorIn(fd);
    if (descriptor === null) continue;
    removeDescriptor(fd);
    dropDescriptor(descriptor);
  }
  stopClock();
}

/** The callback of the export, which is not called: `finish` returns EXIT. */
export function resume(_kind: i32, _handle: i32, _code: i32): i32 {
  return CallbackCode.EXIT;
}
