/** Owns what the error codes of wasi:sockets are as numbers of WASI preview 1. Knows no call. */

import { dropError } from "./io";
import { ERRNO_CONNRESET, ERRNO_PIPE, ERRNO_SUCCESS } from "../../shared/errno";

/** `error-code.would-block`. */
export const WOULD_BLOCK: i32 = 8;

/** By `error-code`, from unknown to permanent-resolver-failure: see docs/components.md. */
const errnos: usize = memory.data<u8>([29, 2, 58, 28, 48, 73, 7, 28, 6, 28, 33, 4, 3, 23, 14, 15, 13, 35, 44, 73, 44]);
const ERRNOS: u32 = 21;
const ERRNO_IO: i32 = 29;

/** Its errno. */
export function errnoOf(code: u32): i32 {
  return code < ERRNOS ? load<u8>(errnos + code) : ERRNO_IO;
}

/** The errno of a result without a payload. */
export function errnoIn(resultAt: usize): i32 {
  return load<u8>(resultAt) == 0 ? ERRNO_SUCCESS : errnoOf(load<u8>(resultAt, 1));
}

/** The errno of a `stream-error`: closed, or failed. A host does not say of what; a connection fails by a reset. */
export function errnoOfStream(errorAt: usize): i32 {
  if (load<u8>(errorAt) != 0) return ERRNO_PIPE;
  dropError(load<i32>(errorAt, 4));
  return ERRNO_CONNRESET;
}
