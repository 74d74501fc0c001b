/**
 * Owns on which simulated host the code runs that is running: its program, the turns of the loops that this has started, and
 * what promises of either go on with. Knows a host by its backend.
 */

import { AsyncLocalStorage } from "node:async_hooks";
import type { Backend } from "../backend/backend.js";
import { findPlacesBy } from "../backend/place.js";

/** What a host is, as far as the defaults of its programs go. */
export interface Whereabouts {
  readonly backend: Backend;
}

let storage: AsyncLocalStorage<Whereabouts | undefined> | undefined;

/** Where the code runs that asks; undefined outside of every host. */
export function here(): Whereabouts | undefined {
  return storage?.getStore();
}

/** Calls a function as code of a host: the default map and the default backend are the host's. */
export function runAt<T>(host: Whereabouts | undefined, call: () => T): T {
  if (storage === undefined) {
    if (host === undefined) return call();
    const made = new AsyncLocalStorage<Whereabouts | undefined>();
    storage = made;
    findPlacesBy(() => made.getStore()?.backend);
  }
  return storage.run(host, call);
}
