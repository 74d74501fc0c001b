/**
 * Owns the closing of descriptors whose owner became garbage without being closed. A channel's socket is reachable through
 * its map, and a map through the loop that runs on it. A program must still close what it opens, because the garbage
 * collector may run late, or not at all before the process ends. Knows the backend seam.
 */

import type { Backend } from "../backend/backend.js";

interface Descriptor {
  readonly backend: Backend;
  readonly fd: number;
}

/** The first backend of the process, which is nearly always the only one: its descriptors are registered by number alone. */
let first: Backend | undefined;

const registry = new FinalizationRegistry<Descriptor | number>((descriptor) => {
  if (typeof descriptor === "number") first?.close(descriptor);
  else descriptor.backend.close(descriptor.fd);
});

/**
 * Closes `fd` when `owner` is garbage. Not where time is simulated: what happens there must not depend on the garbage
 * collector, and nothing of a world that is garbage itself needs to be closed. The registry would keep all of it.
 */
export function closeWhenUnreachable(owner: object, backend: Backend, fd: number): void {
  if (backend.clock.turnTaker !== undefined) return;
  first ??= backend;
  registry.register(owner, backend === first ? fd : { backend, fd }, owner);
}

/** `owner` has closed its descriptor, or has passed it on. */
export function forgetOwner(owner: object): void {
  registry.unregister(owner);
}
