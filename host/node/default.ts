/**
 * Owns the choice of the default backend: the operating system; the simulated host that runs the program; or what records or
 * replays it, where the environment asks for that. Touches the platform on first use only, so that importing the package is
 * harmless everywhere.
 */

import { isMainThread } from "node:worker_threads";
import type { Backend } from "../backend/backend.js";
import { placeBackend } from "../backend/place.js";
import { keepOwn } from "../backend/unhooked.js";
import { createNodeBackend } from "./backend.js";
import { loadRecordFile } from "./record-files.js";

export { isNodeBackend } from "./backend.js";
export { loadRecordFile };

/** A recording of a map that is being made: see `Recorder` of "wasyncore/record". */
export interface MapRecorder {
  readonly backend: Backend;
  readonly calls: number;
  readonly turns: number;
  /** How many bytes have been written. */
  readonly bytes: number;
  /** Why nothing is recorded any more, while the program goes on: the disk is full. */
  readonly failure: { readonly error: unknown } | undefined;
  /** Writes what has been recorded so far. Done by itself: when there is 1 MiB of it, and twice a second. */
  flush(): void;
  /** Ends the recording; the map goes on without it. Done by itself when the process exits. */
  end(): void;
}

/** What "wasyncore/record" has for programs. It is loaded where it is used alone. */
interface Recording {
  record(backend: Backend, path: string): MapRecorder;
  recordedProgram(backend: Backend, path: string, options: string | undefined): Backend;
  replayedProgram(request: string, files: Backend): Backend;
}

interface Hooks {
  inside<T>(call: () => T): T;
  installOutside(attach: () => void): void;
}

let backend: Backend | undefined;
let inside = <T>(call: () => T): T => call();

const { WASYNCORE_RECORD: path, WASYNCORE_REPLAY: request, WASYNCORE_RECORD_OPTIONS: options } = process.env;

// Modules that are evaluated after this one find what they use of Node recorded, or replayed.
if (isMainThread && (request || path)) {
  const hooked = hooks();
  inside = hooked.inside;
  keepOwn(inside);
  hooked.installOutside(() => void usual());
}

/** @throws UnsupportedPlatformError where there is none */
export function defaultBackend(): Backend {
  const place = placeBackend();
  if (place !== undefined) return place;
  return usual();
}

/**
 * Records a backend into a file; undefined where the program is replayed, which must not write over what it is replayed from.
 * @throws an error of node:fs where the file cannot be made
 */
export function recordBackend(recorded: Backend, file: string): MapRecorder | undefined {
  if (isMainThread && request) return undefined;
  return inside(() => recording().record(recorded, file));
}

function usual(): Backend {
  // What is loaded for it is not the program's, and must not ask for a backend in turn.
  backend ??= inside(chosenBackend);
  return backend;
}

function chosenBackend(): Backend {
  if (isMainThread && request) return recording().replayedProgram(request, createNodeBackend());
  if (isMainThread && path) return recording().recordedProgram(createNodeBackend(), path, options);
  return createNodeBackend();
}

/** A file that needs nothing of the package, which is being loaded. */
function hooks(): Hooks {
  return loadRecordFile("hooks.js") as Hooks;
}

function recording(): Recording {
  return loadRecordFile() as Recording;
}
