/** Owns the errors that TLS reports beside those of Node. Knows nothing else. */

import { OSError } from "../../backend/errors.js";

/** What Node reports of a peer that went away in the middle of the handshake. */
export function hungUp(): Error {
  const error = new Error("the peer closed the connection before it was secure");
  return Object.assign(error, { code: "ECONNRESET", syscall: "read" });
}

export function truncated(): Error {
  const error = new Error("the connection ended without the peer's close_notify: input may be missing");
  return Object.assign(error, { code: "ERR_TLS_TRUNCATED" });
}

export function timedOut(): Error {
  return Object.assign(new Error("TLS handshake timeout"), { code: "ERR_TLS_HANDSHAKE_TIMEOUT" });
}

export function unverifiable(): NodeJS.ErrnoException {
  return Object.assign(new Error("the client's certificate cannot be verified"), { code: "ERR_TLS_UNVERIFIED" });
}

/** The error of a call on the connection. */
export function connectionError(error: unknown): OSError {
  return error instanceof OSError ? error : new OSError("EIO", { syscall: "recv", hint: String(error) });
}

/** The error of a connection that node:tls writes to itself, as a send of ours would have thrown it; or undefined. */
export function writeError({ code, errno, syscall }: NodeJS.ErrnoException): OSError | undefined {
  if (code === undefined || errno === undefined || (syscall !== "write" && syscall !== "shutdown")) return undefined;
  return new OSError(code, { errno, syscall: syscall === "write" ? "send" : syscall });
}
