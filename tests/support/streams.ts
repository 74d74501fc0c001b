/** Owns what tests of streams stand on: a loop that runs beside the test, hashes, and bytes that are not repeated. */

import { createHash, randomBytes } from "node:crypto";
import { onTestFinished } from "vitest";
import { type ChannelMap, loop } from "wasyncore";
import { newMap } from "./runs.js";

/** A map on which a loop runs until the test ends. */
export function runningMap(usePoll = false): ChannelMap {
  const map = newMap();
  // Keeps the loop going while there is no channel.
  map.callEvery(1e9, () => undefined);
  const ending = new AbortController();
  const ended = loop({ map, usePoll, signal: ending.signal });
  onTestFinished(async () => {
    ending.abort();
    await ended;
  });
  return map;
}

export function sha256(data: Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

export { randomBytes };

/** Everything that an async iterable gives. */
export async function all(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks);
}
