/** Owns what many sockets have in common, so that each has one reference to it: it keeps them small. Knows no socket. */

import type { Backend, Family, SocketType } from "../backend/backend.js";
import type { Keeper } from "./unreachable.js";

/** What the sockets of one backend, family and type have in common, and of one keeper or of none. */
export interface SocketKind<F extends Family> {
  readonly backend: Backend;
  readonly family: F;
  readonly type: SocketType;
  /** Closes the socket's descriptor when it is garbage; undefined for a socket that is registered for that on its own. */
  readonly keeper: Keeper | undefined;
}

const kinds = new WeakMap<Backend | Keeper, SocketKind<Family>[]>();

export function kindOf<F extends Family>(
  backend: Backend,
  family: F,
  type: SocketType,
  keeper?: Keeper,
): SocketKind<F> {
  const key = keeper ?? backend;
  let known = kinds.get(key);
  if (known === undefined) kinds.set(key, (known = []));
  let kind = known.find((each): each is SocketKind<F> => each.family === family && each.type === type);
  if (kind === undefined) known.push((kind = { backend, family, type, keeper }));
  return kind;
}
