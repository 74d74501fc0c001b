/**
 * Owns what can be found out of a socket's connection: what the operating system says of its state and its addresses, and
 * the bits in which a socket keeps what it knows without asking. Knows the backend seam; knows no socket.
 */

import type { Backend, SocketAddress } from "../backend/backend.js";
import { checkOneOf } from "../backend/check.js";
import { OSError } from "../backend/errors.js";
import type { ConnectionState } from "./endpoint.js";
import { errorOf } from "./results.js";
import { readOption } from "./socket-options.js";

/** The bits of a socket's condition that say what is known of it. */
export const KNOWN = 0b11;
export const Known = {
  NOTHING: 0,
  UNCONNECTED: 1,
  CONNECTED: 2,
} as const;
/** Above those bits is an error. */
export const ERROR_SHIFT = 2;
export const ERROR_UNIT = 1 << ERROR_SHIFT;

export const UNCONNECTED: ConnectionState = { kind: "unconnected" };
export const CONNECTIONLESS: ConnectionState = { kind: "connectionless" };

/** What getpeername(2) says of a connection that was reset: ENOTCONN on Linux, EINVAL on macOS. */
const NO_PEER: ReadonlySet<string> = new Set(["ENOTCONN", "EINVAL"]);
/** What recv(2) says of a stream socket that has no connection: never had one (EINVAL: a Unix socket), or is connecting. */
const NO_CONNECTION: ReadonlySet<string> = new Set(["ENOTCONN", "EINVAL", "EAGAIN", "EWOULDBLOCK"]);
const NO_BYTES = new Uint8Array(0);
const KINDS = ["inet", "unix"] as const;
export type AddressKind = (typeof KINDS)[number];

/**
 * What a stream socket is, as far as the operating system says: with a peer, or listening.
 * @returns undefined where it says neither: see {@link askEnd}
 * @throws OSError where it cannot be asked
 */
export function askState(backend: Backend, fd: number): ConnectionState | undefined {
  const address = backend.remoteAddress(fd);
  if (typeof address !== "number") return { kind: "connected", address };
  const error = errorOf(backend, address, "getpeername");
  if (!hasNoPeer(error)) throw error;
  return readOption(backend, fd, "SO_ACCEPTCONN") === 0
    ? undefined
    : { kind: "listening", address: boundAddress(backend, fd) };
}

/**
 * Is this a connection that has ended, and not a socket that never had one? Reading no bytes tells, and loses none.
 * @returns undefined for one that never had a connection; 0; or an error, as -errno, that the next call would have been given
 */
export function askEnd(backend: Backend, fd: number): number | undefined {
  const result = backend.recv(fd, NO_BYTES, 0);
  if (result >= 0) return 0;
  return NO_CONNECTION.has(backend.errorCode(result)) ? undefined : result;
}

/** Does the error of getpeername(2) mean that the socket has no peer, or no longer? */
export function hasNoPeer(error: OSError): boolean {
  return NO_PEER.has(error.code);
}

/** Where it is bound. getsockname(2). */
export function boundAddress(backend: Backend, fd: number): SocketAddress {
  const address = backend.localAddress(fd);
  if (typeof address === "number") throw errorOf(backend, address, "getsockname");
  return address;
}

/** @throws OSError EAFNOSUPPORT for an address of the other kind; TypeError, RangeError for an unknown kind */
export function ofKind(address: SocketAddress, kind: AddressKind | undefined, syscall: string): SocketAddress {
  if (kind === undefined) return address;
  checkOneOf("kind", kind, KINDS);
  if ((kind === "unix") === (address.path !== undefined)) return address;
  const hint = kind === "unix" ? "the socket has a host and a port" : "the socket has a path: it is a Unix socket";
  throw new OSError("EAFNOSUPPORT", { syscall, hint });
}
