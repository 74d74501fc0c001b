/**
 * Owns the seam between a TLS session and the connection: how records get from the socket to node:tls and back. Knows
 * neither of the two ways: see streamed.ts and native.ts.
 */

import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";

/** What a transport's owner is notified of, also outside of a call. */
export interface TransportOwner {
  /** node:tls has made records that the connection has not taken. See {@link Transport.hasRecords}. */
  recordsWaiting(): void;
  /** Everything has been sent, close_notify included. See {@link Transport.endOutput}. */
  outputEnded(): void;
  /** The connection has failed. A call that would have to wait is no failure. */
  connectionFailed(error: unknown): void;
}

/** Records of one TLS session. They are received by the owner, in the order of the loop's events. */
export interface Transport {
  /** What node:tls is put on. */
  readonly stream: Duplex;
  /** Are there records that {@link flush} is to send once the descriptor is writable? */
  readonly hasRecords: boolean;
  /** Is OpenSSL reading within {@link give}? Listeners of the session that it calls must not have it write. */
  readonly isReceiving: boolean;
  /** node:tls is on it from now on. Called once, before anything is given. */
  attach(session: TLSSocket): void;
  /** The session's output is about to be ended. */
  beforeEnd(session: TLSSocket): void;
  /** Passes on what has arrived. It is copied. */
  give(data: Uint8Array): void;
  /** Sends records as far as the connection takes them. */
  flush(): void;
  /** Ends the writing half of the connection, if that has not been done together with the end of the output. */
  endOutput(): void;
  /** Drops what is still to be sent. Called before the session is destroyed. */
  clear(): void;
}
