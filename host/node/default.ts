/**
 * Owns the choice of the default backend: the operating system; the simulated host that runs the program; or what records or
 * replays it, where the environment asks for that. Touches the platform on first use only, so that importing the package is
 * harmless everywhere.
 */

import { createRequire } from "node:module";
import { isMainThread } from "node:worker_threads";
import type { Backend } from "../backend/backend.js";
import { placeBackend } from "../backend/place.js";
import { createNodeBackend } from "./backend.js";

export { isNodeBackend } from "./backend.js";

/** What "wasyncore/record" has for programs. It is loaded where it is used alone. */
interface Recording {
  recordedProgram(backend: Backend, path: string, options: string | undefined): Backend;
  replayedProgram(request: string, files: Backend): Backend;
}

let backend: Backend | undefined;

/** @throws UnsupportedPlatformError where there is none */
export function defaultBackend(): Backend {
  const place = placeBackend();
  if (place !== undefined) return place;
  backend ??= chosenBackend();
  return backend;
}

function chosenBackend(): Backend {
  const { WASYNCORE_RECORD: path, WASYNCORE_REPLAY: request, WASYNCORE_RECORD_OPTIONS: options } = process.env;
  if (isMainThread && request) return recording().replayedProgram(request, createNodeBackend());
  if (isMainThread && path) return recording().recordedProgram(createNodeBackend(), path, options);
  return createNodeBackend();
}

function recording(): Recording {
  return createRequire(import.meta.url)("wasyncore/record") as Recording;
}
