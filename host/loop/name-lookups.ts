/**
 * Owns the host names that are being looked up for channels. Knows the backend seam; knows no engine.
 *
 * How a name is looked up depends on the loop that runs: without blocking under `loop`, blocking under `loopSync`. If none
 * runs, the name waits for the next loop.
 */

import type { Addresses, Backend } from "../backend/backend.js";
import type { Channel } from "./channel.js";
import { OSError } from "../backend/errors.js";

type Done = (result: Addresses | OSError) => void;

interface Lookup {
  readonly channel: Channel;
  readonly host: string;
  readonly family: 0 | 4 | 6;
  readonly done: Done;
  isOver: boolean;
}

export class NameLookups {
  readonly #backend: Backend;
  readonly #guard: (channel: Channel, call: () => void) => void;
  readonly #waiting = new Set<Lookup>();
  #mode: "none" | "blocking" | "asynchronous" = "none";

  /** @param guard runs a handler's code, and handles what it throws */
  constructor(backend: Backend, guard: (channel: Channel, call: () => void) => void) {
    this.#backend = backend;
    this.#guard = guard;
  }

  /** A loop begins: names that wait, and those added from now on, are looked up in this mode. */
  begin(mode: "blocking" | "asynchronous"): void {
    this.#mode = mode;
    for (const lookup of this.#waiting) this.#start(lookup);
  }

  end(): void {
    this.#mode = "none";
  }

  /** @returns a call that cancels it */
  add(channel: Channel, host: string, family: 0 | 4 | 6, done: Done): () => void {
    const lookup: Lookup = { channel, host, family, done, isOver: false };
    this.#waiting.add(lookup);
    if (this.#mode !== "none") this.#start(lookup);
    return () => {
      lookup.isOver = true;
      this.#waiting.delete(lookup);
    };
  }

  #start(lookup: Lookup): void {
    this.#waiting.delete(lookup);
    const { host, family } = lookup;
    if (this.#mode === "blocking") {
      this.#finish(lookup, this.#lookupSync(host, family));
    } else {
      this.#backend.lookup(host, family).then(
        (addresses) => this.#finish(lookup, addresses),
        (error: unknown) => this.#finish(lookup, asOSError(error)),
      );
    }
  }

  #lookupSync(host: string, family: 0 | 4 | 6): Addresses | OSError {
    try {
      return this.#backend.lookupSync(host, family);
    } catch (error) {
      return asOSError(error);
    }
  }

  #finish(lookup: Lookup, result: Addresses | OSError): void {
    if (lookup.isOver) return;
    lookup.isOver = true;
    this.#guard(lookup.channel, () => lookup.done(result));
  }
}

function asOSError(error: unknown): OSError {
  if (error instanceof OSError) return error;
  throw error;
}
