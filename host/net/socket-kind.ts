/**
 * Owns what keeps sockets small: what many of them have in common, so that each has one reference to it, and the meaning of
 * the bits in which a socket keeps what it knows of itself. Knows no socket.
 */

import type { Backend, Family, SocketType } from "../backend/backend.js";

/** What the sockets of one backend, family and type have in common. */
export interface SocketKind<F extends Family> {
  readonly backend: Backend;
  readonly family: F;
  readonly type: SocketType;
}

const kinds = new WeakMap<Backend, SocketKind<Family>[]>();

export function kindOf<F extends Family>(backend: Backend, family: F, type: SocketType): SocketKind<F> {
  let known = kinds.get(backend);
  if (known === undefined) kinds.set(backend, (known = []));
  let kind = known.find((each): each is SocketKind<F> => each.family === family && each.type === type);
  if (kind === undefined) known.push((kind = { backend, family, type }));
  return kind;
}

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
