/** Owns what the POP3, FTP and SMTP servers share of TLS: its options on the command line. Knows no protocol. */

import { readFileSync } from "node:fs";
import { type Socket, type TlsServerOptions, wrapTls } from "wasyncore";

/** Options of `parseArgs`. */
export const TLS_OPTIONS = {
  cert: { type: "string" },
  key: { type: "string" },
  implicit: { type: "boolean", default: false },
} as const;

export const TLS_USAGE = `TLS: --cert FILE --key FILE, in PEM; on request of the client, or with --implicit from the start of each connection`;

/** What a server was told of TLS. */
export interface Tls {
  readonly options: TlsServerOptions;
  /** Is TLS spoken from the start of each connection? */
  readonly isImplicit: boolean;
}

/** @returns undefined for a server without TLS. @throws Error with a message for the user */
export function readTls(cert?: string, key?: string, isImplicit = false): Tls | undefined {
  if ((cert === undefined) !== (key === undefined)) throw new Error("--cert and --key go together");
  if (cert === undefined || key === undefined) {
    if (isImplicit) throw new Error("--implicit needs --cert and --key");
    return undefined;
  }
  // One object for all connections: its certificates are read once, and sessions can be resumed.
  return { options: { isServer: true, cert: readFileSync(cert), key: readFileSync(key) }, isImplicit };
}

/** A connection that was accepted, with TLS where that is spoken from the start. */
export function withTls(socket: Socket, tls: Tls | undefined): Socket {
  return tls?.isImplicit === true ? wrapTls(socket, tls.options) : socket;
}
