/** Owns the making of a pipe. Knows the backend seam; the ends are the caller's to close. */

import type { Backend } from "../backend/backend.js";
import { defaultBackend } from "../node/default.js";
import { errorOf } from "./socket-errors.js";

/**
 * Makes a pipe, close-on-exec. Pass an end to a `FileDispatcher`, or to a child process through `stdio`: both duplicate
 * it, so close your own afterwards (`closeSync` of node:fs). pipe(2), Python's os.pipe.
 * @throws OSError: EMFILE, ...
 */
export function pipe(backend: Backend = defaultBackend()): readonly [readFd: number, writeFd: number] {
  const ends = backend.pipe();
  if (typeof ends === "number") throw errorOf(backend, ends, "pipe");
  return ends;
}
