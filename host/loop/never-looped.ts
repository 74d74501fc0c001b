/**
 * Owns the warning to a program that ends with channels on which no loop ever ran. Knows Node's `process`; knows no
 * engine and no handler class.
 */

import process from "node:process";
import type { Channel } from "./channel.js";

/** What has channels: the scheduler of a map. */
interface Members {
  readonly members: ReadonlyMap<number, { readonly channel: Channel }>;
}

/** More than the warning is about: a program that drops maps must not fill this. */
const MAPS_MAX = 64;

const unlooped = new Set<WeakRef<Members>>();
const references = new WeakMap<Members, WeakRef<Members>>();
const looped = new WeakSet<Members>();
let isListening = false;
/** Does the program poll by other means than a loop? */
let isPolledOtherwise = false;

/** A first channel comes into `map`. */
export function rememberUnlooped(map: Members): void {
  if (looped.has(map) || references.has(map) || unlooped.size >= MAPS_MAX) return;
  const reference = new WeakRef(map);
  references.set(map, reference);
  unlooped.add(reference);
  if (isListening) return;
  isListening = true;
  // Not "exit": who calls process.exit, or dies of an error, does not end for want of a loop.
  process.once("beforeExit", warn);
}

/** A loop runs on `map`. */
export function rememberLooped(map: Members): void {
  if (looped.has(map)) return;
  looped.add(map);
  const reference = references.get(map);
  if (reference === undefined) return;
  references.delete(map);
  unlooped.delete(reference);
}

/** The program polls by other means, and notifies channels with `read`, `write` and the like: it needs no loop. */
export function rememberPolledOtherwise(): void {
  isPolledOtherwise = true;
}

function warn(): void {
  // A program that has failed says why by itself.
  if (isPolledOtherwise || (process.exitCode ?? 0) !== 0) return;
  const channels = [...unlooped].flatMap((reference) => [...(reference.deref()?.members.values() ?? [])]);
  if (channels.length === 0) return;
  const names = [...new Set(channels.map(({ channel }) => channel.constructor.name))];
  const shown = names.length > 3 ? [...names.slice(0, 3), "..."] : names;
  const what = channels.length === 1 ? "1 channel is" : `${channels.length} channels are`;
  process.emitWarning(
    `${what} left (${shown.join(", ")}) in a map on which no loop ever ran, so nothing was read, written or accepted: ` +
      "call `await loop()`, with the map as an option where it is not socketMap",
    { code: "WASYNCORE_NEVER_LOOPED" },
  );
}
