/** Owns where the descriptor of a socket is from: it makes one, or takes one over. Knows the backend seam. */

import type { Backend, Family, SocketType } from "../backend/backend.js";
import { checkBackend, checkDescriptor, checkOneOf, checkOptions } from "../backend/check.js";
import { errorOf } from "./results.js";

const FAMILIES = ["IPv4", "IPv6", "unix"] as const;
const TYPES = ["stream", "dgram"] as const;

/** What a socket is made as. */
export interface SocketOptions<F extends Family = Family> {
  /** Default "IPv4". */
  readonly family?: F;
  /** Default "stream". */
  readonly type?: SocketType;
}

/** A descriptor, and what it was made as. */
export interface SocketFacts<F extends Family = Family> {
  readonly fd: number;
  readonly family: F;
  readonly type: SocketType;
}

/** Makes a socket. socket(2). */
export function made<F extends Family>(options: SocketOptions<F>, backend: Backend): SocketFacts<F> {
  checkOptions("options", options, ["family", "type"]);
  checkBackend("backend", backend);
  const { family: asked, type = "stream" } = options;
  // Where no family is given, F is "IPv4".
  const family = (asked === undefined ? "IPv4" : asked) as F;
  const given: unknown = family;
  checkOneOf("family", given, FAMILIES);
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
