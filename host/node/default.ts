/**
 * Owns the default backend: the operating system's. The only room outside host/node that
 * imports it, and only on first use does it touch the platform.
 */

import type { Backend } from "../backend/backend.js";
import { createNodeBackend } from "./backend.js";

let backend: Backend | undefined;

/** @throws UnsupportedPlatformError where there is none */
export function defaultBackend(): Backend {
  backend ??= createNodeBackend();
  return backend;
}
