/** Owns how sockets under TLS are closed and reset. Knows nothing else. */

import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";

/** A Unix socket cannot be reset, nor one whose peer is gone: it is closed. */
export function reset(raw: Socket): void {
  if (raw.remoteFamily === undefined && !raw.connecting) raw.destroy();
  else raw.resetAndDestroy();
}

/**
 * Closes a connection with TLS, or resets it. Not within the call: OpenSSL may be reading, in a callback of whose the call is
 * made ("secure", an error because of a renegotiation), and Node may release the session at once where the connection is
 * closed already.
 */
export function destroyTls(tls: TLSSocket, raw: Socket, resets: boolean): void {
  setImmediate(() => {
    if (resets) reset(raw);
    tls.destroy();
    raw.destroy();
  });
}
