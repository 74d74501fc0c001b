/** Owns resetting a socket of node:net. Knows nothing else. */

import type { Socket } from "node:net";

/** A Unix socket cannot be reset, nor one whose peer is gone: it is closed. */
export function reset(raw: Socket): void {
  if (raw.remoteFamily === undefined && !raw.connecting) raw.destroy();
  else raw.resetAndDestroy();
}
