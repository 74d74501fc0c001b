/**
 * Owns the warning of a program that ends with channels, but never ran a loop on them. Knows Node's `process`; knows no
 * engine and no handler class.
 */

import { counted } from "../backend/counted.js";
import type { Channel } from "./channel.js";

/** The scheduler of a map. */
interface MapLike {
  readonly members: { channels(): Iterable<Channel> };
}

/** How many maps are remembered: a program that makes and drops many must not use memory for each. */
const MAPS_MAX = 64;

const unlooped = new Set<WeakRef<MapLike>>();
const references = new WeakMap<MapLike, WeakRef<MapLike>>();
const looped = new WeakSet<MapLike>();
let isListening = false;
/** Does the program poll by other means than a loop? */
let isPolledOtherwise = false;

/** `map` gets its first channel. */
export function rememberUnlooped(map: MapLike): void {
  if (looped.has(map) || references.has(map) || unlooped.size >= MAPS_MAX) return;
  const reference = new WeakRef(map);
  references.set(map, reference);
  unlooped.add(reference);
  if (isListening) return;
  isListening = true;
  // Not "exit": a program that calls process.exit, or fails, does not end because a loop is missing.
  process.once("beforeExit", warn);
}

/** A loop runs on `map`. */
export function rememberLooped(map: MapLike): void {
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
  const channels = [...unlooped].flatMap((reference) => [...(reference.deref()?.members.channels() ?? [])]);
  if (channels.length === 0) return;
  const names = [...new Set(channels.map((channel) => channel.constructor.name))];
  const shown = names.length > 3 ? [...names.slice(0, 3), "..."] : names;
  const what = `${counted(channels.length, "channel")} ${channels.length === 1 ? "is" : "are"}`;
  process.emitWarning(
    `${what} left (${shown.join(", ")}) in a map on which no loop ever ran, so nothing was read, written or accepted: ` +
      "call `await loop()`, with the map as an option where it is not socketMap",
    { code: "WASYNCORE_NEVER_LOOPED" },
  );
}
