/** Owns what a negative result of a backend means: an error, or that the call would have to wait. Knows the backend seam. */

import type { Backend, SocketAddress } from "../backend/backend.js";
import { BlockingIOError, OSError, type OSErrorDetails } from "../backend/errors.js";

/** Does the result -errno mean that the call would have to wait? */
export function wouldBlock(backend: Backend, errno: number): boolean {
  return isBlocking(backend.errorCode(errno));
}

/** The error for a negative result of a backend. */
export function errorOf(backend: Backend, errno: number, syscall: string, address?: SocketAddress): OSError {
  const code = backend.errorCode(errno);
  const details: OSErrorDetails = { errno, syscall, address: address?.host, port: address?.port, path: address?.path };
  return isBlocking(code) ? new BlockingIOError(code, details) : new OSError(code, details);
}

function isBlocking(code: string): boolean {
  return code === "EAGAIN" || code === "EWOULDBLOCK";
}
