/** Owns making an error of a backend's negative result. Knows the backend seam; knows no socket. */

import type { Backend, SocketAddress } from "../backend/backend.js";
import { BlockingIOError, OSError, type OSErrorDetails } from "../backend/errors.js";

/** The error for a negative result of a backend. */
export function errorOf(backend: Backend, errno: number, syscall: string, address?: SocketAddress): OSError {
  const code = backend.errorCode(errno);
  const details: OSErrorDetails = { errno, syscall, address: address?.host, port: address?.port, path: address?.path };
  return code === "EAGAIN" || code === "EWOULDBLOCK" ? new BlockingIOError(code, details) : new OSError(code, details);
}
