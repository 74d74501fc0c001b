/**
 * Owns what is asked of Node's own event loop: libuv's functions for embedding it in another loop. Knows where they may be
 * used; knows no poll set.
 *
 * They are used on the main thread of Node on Linux. A worker thread has to return to its event loop for `terminate()` to
 * take effect, and Electron has an event loop around Node's.
 */

import { isMainThread } from "node:worker_threads";
import type { EmbeddedLoop, Libc } from "../libc.js";

/** With older versions, uv_backend_timeout does not tell that a descriptor is still to be added to the set. */
const LIBUV_MIN = [1, 45] as const;

let loop: EmbeddedLoop | false | undefined;

/** Node's event loop, or undefined where this thread must not wait for it itself. */
export function hostLoop(libc: Libc): EmbeddedLoop | undefined {
  loop ??= (isSupported() && libc.embeddedLoop()) || false;
  return loop === false ? undefined : loop;
}

function isSupported(): boolean {
  const { bun, deno, electron, nw, uv } = process.versions;
  if (!isMainThread || process.platform !== "linux" || uv === undefined) return false;
  if ([bun, deno, electron, nw].some((version) => version !== undefined)) return false;
  const [major = 0, minor = 0] = uv.split(".").map(Number);
  return major === LIBUV_MIN[0] && minor >= LIBUV_MIN[1];
}
