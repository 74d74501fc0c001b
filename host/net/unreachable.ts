/**
 * Owns the closing of descriptors whose owner the program has lost: nobody can reach it any more, and nobody closed it.
 * A channel's socket is reachable through its map, and a map through the loop that runs on it. When the garbage collector
 * finds out, and whether it does before the process ends, is its own affair: a program closes what it opens. Knows the
 * backend seam.
 */

import type { Backend } from "../backend/backend.js";

interface Descriptor {
  readonly backend: Backend;
  readonly fd: number;
}

const registry = new FinalizationRegistry<Descriptor>(({ backend, fd }) => backend.close(fd));

/** Closes `fd` when `owner` is garbage. */
export function closeWhenUnreachable(owner: object, backend: Backend, fd: number): void {
  registry.register(owner, { backend, fd }, owner);
}

/** `owner` has closed it, or has given it away. */
export function forgetOwner(owner: object): void {
  registry.unregister(owner);
}
