/** Owns how the descriptor of a socket comes about: made, or taken over. Knows the backend seam. */

import type { Backend, Family, SocketType } from "../backend/backend.js";
import { checkBackend, checkDescriptor, checkOneOf, checkOptions } from "../backend/check.js";
import { errorOf } from "./results.js";

const FAMILIES = ["IPv4", "IPv6", "unix"] as const;
const TYPES = ["stream", "dgram"] as const;

/** What a socket is made as. */
export interface SocketOptions {
  /** Default "IPv4". */
  readonly family?: Family;
  /** Default "stream". */
  readonly type?: SocketType;
}

/** A descriptor, and what it was made as. */
export interface SocketFacts {
  readonly fd: number;
  readonly family: Family;
  readonly type: SocketType;
}

/** Makes a socket. socket(2). */
export function made(options: SocketOptions, backend: Backend): SocketFacts {
  checkOptions("options", options, ["family", "type"]);
  checkBackend("backend", backend);
  const { family = "IPv4", type = "stream" } = options;
  checkOneOf("family", family, FAMILIES);
  checkOneOf("type", type, TYPES);
  const fd = backend.socket(family, type);
  if (fd < 0) throw errorOf(backend, fd, "socket");
  return { fd, family, type };
}

/** Two Unix sockets connected to each other. socketpair(2). */
export function madePair(type: SocketType, backend: Backend): readonly [number, number] {
  checkOneOf("type", type, TYPES);
  checkBackend("backend", backend);
  const pair = backend.socketPair(type);
  if (typeof pair === "number") throw errorOf(backend, pair, "socketpair");
  return pair;
}

/** Makes a descriptor that somebody else made non-blocking and close-on-exec, and finds out what it is. */
export function adopted(fd: number, backend: Backend): SocketFacts {
  checkDescriptor("fd", fd);
  checkBackend("backend", backend);
  const family = backend.family(fd);
  if (typeof family === "number") throw errorOf(backend, family, "getsockopt");
  const prepared = backend.setNonBlocking(fd, true) || backend.setCloseOnExec(fd, true) || backend.adopt(fd);
  if (prepared < 0) throw errorOf(backend, prepared, "fcntl");
  const type = backend.socketType(fd);
  if (typeof type === "number") throw errorOf(backend, type, "getsockopt");
  return { fd, family, type };
}
