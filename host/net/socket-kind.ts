/** Owns what many sockets have in common, so that each has one reference to it: it keeps them small. Knows no socket. */

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
