/**
 * Owns the closing of descriptors whose owner became garbage without being closed. A channel's socket is reachable through
 * its map, and a map through the loop that runs on it. A program must still close what it opens, because the garbage
 * collector may run late, or not at all before the process ends. Knows the backend seam.
 *
 * The garbage collector needs 110 bytes for each object that is registered with it. So the sockets of a map's channels, which
 * become garbage together, have one registration in common: that of a {@link Keeper}.
 */

import type { Backend } from "../backend/backend.js";
import { roomFor } from "../backend/tables.js";

interface Descriptor {
  readonly backend: Backend;
  readonly fd: number;
}

/** The descriptors of a keeper. Not the keeper, which would never become garbage. */
interface Kept {
  readonly backend: Backend;
  /** By descriptor: 1 where it is kept. */
  isKept: Uint8Array;
}

const FIRST_CAPACITY = 64;

/** The first backend of the process, which is nearly always the only one: its descriptors are registered by number alone. */
let first: Backend | undefined;

const registry = new FinalizationRegistry<Descriptor | number>((descriptor) => {
  if (typeof descriptor === "number") first?.close(descriptor);
  else descriptor.backend.close(descriptor.fd);
});

const keepers = new FinalizationRegistry<Kept>(({ backend, isKept }) => {
  for (let fd = isKept.indexOf(1); fd >= 0; fd = isKept.indexOf(1, fd + 1)) backend.close(fd);
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

/**
 * Closes descriptors when it is garbage. Every owner of one refers to it, so then they are garbage as well. An owner that
 * became garbage alone would not be noticed: so this is for owners that something else refers to as long as they are here.
 */
export class Keeper {
  readonly backend: Backend;
  readonly #kept: Kept;

  /** @param backend none whose time is simulated: see {@link closeWhenUnreachable} */
  constructor(backend: Backend) {
    this.backend = backend;
    this.#kept = { backend, isKept: new Uint8Array(FIRST_CAPACITY) };
    keepers.register(this, this.#kept);
  }

  /** The owner of `fd` refers to this keeper from now on. */
  keep(fd: number): void {
    const kept = this.#kept;
    if (fd >= kept.isKept.length) {
      const larger = new Uint8Array(roomFor(fd, kept.isKept));
      larger.set(kept.isKept);
      kept.isKept = larger;
    }
    kept.isKept[fd] = 1;
  }

  /** The owner of `fd` is about to close it, or to refer to this keeper no longer. */
  forget(fd: number): void {
    this.#kept.isKept[fd] = 0;
  }
}
