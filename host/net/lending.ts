/**
 * Owns which code has a duplicate of a socket's descriptor: node:tls, which writes to the connection itself. Knows the
 * backend seam; knows no TLS.
 */

import type { Backend } from "../backend/backend.js";
import { isNodeBackend } from "../node/default.js";

/** Code that has a duplicate of a socket's descriptor. */
export interface Borrower {
  /** Closes the duplicate, now. May be called again. */
  close(): void;
  /** Bytes that it has sent. */
  readonly bytesOut: number;
}

/** By the socket. Few sockets have any: only those with TLS. */
export const borrowers = new WeakMap<object, Borrower>();

/**
 * Duplicates a descriptor for `take`.
 * @returns what `take` returns; undefined where there is no duplicate
 * @throws what `take` throws, which has not taken the duplicate then
 */
export function lend<T extends Borrower>(
  socket: object,
  backend: Backend,
  fd: number,
  take: (copy: number) => T,
): T | undefined {
  if (!isNodeBackend(backend)) return undefined;
  const copy = backend.duplicate(fd);
  if (copy < 0) return undefined;
  let borrower: T;
  try {
    borrower = take(copy);
  } catch (error) {
    backend.close(copy);
    throw error;
  }
  backend.release(copy);
  borrowers.set(socket, borrower);
  return borrower;
}
