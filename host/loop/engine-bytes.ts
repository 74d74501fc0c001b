/**
 * Owns the bytes of engine.wasm in a checkout: reads the file that the build makes. In the package its place is taken by a
 * module that has the bytes as text (scripts/bundle.mjs), so that no file has to be found wherever the package is bundled.
 */

import { readFileSync } from "node:fs";

export function engineBytes(): Uint8Array {
  return readFileSync(new URL("../../build/engine.wasm", import.meta.url));
}
