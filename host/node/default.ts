/**
 * Owns the choice of the default backend: the operating system, or the simulated host that runs the program. Touches the platform on first use only, so that
 * importing the package is harmless everywhere.
 */

import type { Backend } from "../backend/backend.js";
import { placeBackend } from "../backend/place.js";
import { createNodeBackend } from "./backend.js";

export { isNodeBackend } from "./backend.js";

let backend: Backend | undefined;

/** @throws UnsupportedPlatformError where there is none */
export function defaultBackend(): Backend {
  const place = placeBackend();
  if (place !== undefined) return place;
  backend ??= createNodeBackend();
  return backend;
}
