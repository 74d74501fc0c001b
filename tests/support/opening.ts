/** Owns what tests of awaited connects share. */

import { type Addresses, createNodeBackend } from "wasyncore";
import { namesOf } from "./backends.js";
import { Recorder } from "./handlers.js";
import { newMap } from "./runs.js";

export class Client extends Recorder {
  connects = 0;

  override handleConnect(): void {
    this.connects += 1;
  }
}

/** What became of a promise, once it is settled. */
export function outcomeOf(promise: PromiseLike<unknown>): { settled: unknown } {
  const outcome: { settled: unknown } = { settled: undefined };
  promise.then(
    () => (outcome.settled = "open"),
    (error: unknown) => (outcome.settled = error),
  );
  return outcome;
}

export const soon = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A map on which "server.test" has these addresses. */
export function mapWith(...addresses: [string, ...string[]]) {
  const named: Addresses = addresses;
  const [backend] = namesOf(createNodeBackend(), { "server.test": named });
  return newMap(backend);
}
