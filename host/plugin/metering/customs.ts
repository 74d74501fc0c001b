/**
 * Owns which custom sections of a module stay in it. The engine makes values on a thread's heap of some of them: of the names of functions,
 * in backtraces, and of the address of a source map. Knows their encoding; knows no other section.
 */

import { ModuleError } from "./errors.js";
import type { Reader } from "./reader.js";

/** A longer name than this might exhaust a heap at once, which ends the whole process: no thread is ended in time. */
const NAME_BYTES_MAX = 65_536;
const MODULE_NAME = 0;
const FUNCTION_NAMES = 1;

/**
 * @param reader at the beginning of the section's contents
 * @param codeIsMoved is code at other positions than before?
 */
export function keepsCustom(reader: Reader, codeIsMoved: boolean): boolean {
  const bytes = reader.name();
  if (bytes.length > NAME_BYTES_MAX) return false;
  const name = Buffer.from(bytes).toString();
  if (name === "name") return hasShortNames(reader);
  if (name === "sourceMappingURL") return reader.end - reader.at <= NAME_BYTES_MAX;
  return !codeIsMoved || !name.startsWith("metadata.code.");
}

function hasShortNames(reader: Reader): boolean {
  try {
    while (!reader.isAtEnd) {
      const id = reader.byte();
      const size = reader.u32();
      const from = reader.at;
      if (id === MODULE_NAME && reader.name().length > NAME_BYTES_MAX) return false;
      if (id === FUNCTION_NAMES) {
        for (let left = reader.u32(); left > 0; left--) {
          reader.skipNumber();
          if (reader.name().length > NAME_BYTES_MAX) return false;
        }
      }
      reader.at = from;
      reader.skip(size);
    }
    return true;
  } catch (error) {
    // What is no section of names says nothing.
    if (error instanceof ModuleError) return false;
    throw error;
  }
}
