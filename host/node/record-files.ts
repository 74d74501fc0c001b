/**
 * Owns loading files of "wasyncore/record", where they are used alone: a program that records nothing pays nothing for them.
 * Knows no recording.
 *
 * Bundlers must not follow this: webpack knows a `createRequire` that is imported by name.
 */

import nodeModule from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";

/** @param name of a file beside that of "wasyncore/record"; that itself by default */
export function loadRecordFile(name?: string): unknown {
  const load = nodeModule.createRequire(import.meta.url);
  const path = load.resolve("wasyncore/record");
  return load(name === undefined ? path : fileURLToPath(new URL(name, pathToFileURL(path))));
}
