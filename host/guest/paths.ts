/** Owns reading a path out of a guest's memory. Knows no directory. */

import { ERRNO_FAULT, ERRNO_ILSEQ, ERRNO_INVAL, ERRNO_NAMETOOLONG } from "../wasi/errno.js";
import type { GuestMemory } from "./memory.js";

/** PATH_MAX, its NUL included. */
const BYTES_MAX = 4095;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The path of `length` bytes at `at`, or a WASI errno. */
export function readPath(memory: GuestMemory, at: number, length: number): string | number {
  if (!memory.has(at, length)) return ERRNO_FAULT;
  if (length >>> 0 > BYTES_MAX) return ERRNO_NAMETOOLONG;
  const bytes = memory.slice(at, length);
  if (bytes.includes(0)) return ERRNO_INVAL;
  try {
    return decoder.decode(bytes);
  } catch {
    return ERRNO_ILSEQ;
  }
}
