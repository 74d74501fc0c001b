/** Owns what the calls of one guest share. Knows no call. */

import type { Backend } from "../backend.js";
import type { DescriptorTable } from "./guest-descriptors.js";
import type { ErrnoTranslator } from "./errno.js";
import type { Iovecs } from "./guest-iovecs.js";
import type { GuestMemory } from "./guest-memory.js";
import type { Waiting } from "./guest-waiting.js";

export interface GuestContext {
  readonly backend: Backend;
  readonly memory: GuestMemory;
  readonly table: DescriptorTable;
  readonly waiting: Waiting;
  readonly errnos: ErrnoTranslator;
  /** The vector of the call that is under way. */
  readonly iovecs: Iovecs;
}
