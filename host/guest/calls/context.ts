/** Owns what the calls of one guest share. Knows no call. */

import type { Backend, SocketAddress } from "../../backend/backend.js";
import type { DescriptorTable } from "../descriptors.js";
import type { ErrnoTranslator } from "../../wasi/errno.js";
import type { Iovecs } from "../iovecs.js";
import type { GuestMemory } from "../memory.js";
import type { Waiting } from "../waiting.js";

/** What cannot be seen from outside of a call. */
export interface CallWatcher {
  /** The call waits now. */
  waits?: () => void;
  /** It has accepted a connection. */
  accepted?: (peer: SocketAddress) => void;
}

export interface GuestContext {
  readonly backend: Backend;
  readonly memory: GuestMemory;
  readonly table: DescriptorTable;
  readonly waiting: Waiting;
  readonly watcher: CallWatcher;
  readonly errnos: ErrnoTranslator;
  /** The vector of the call that is under way. */
  readonly iovecs: Iovecs;
}
