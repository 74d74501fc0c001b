/** Owns what the error codes of wasi:sockets 0.3.0 are as numbers of WASI preview 1. Knows no call. */

import { ERRNO_IO, ERRNO_SUCCESS } from "../../shared/errno";
import { ErrorLayout, ResultLayout } from "./layouts";

/** By `error-code`, from access-denied to datagram-too-large: see docs/wasi-0.3.md. */
const errnos: usize = memory.data<u8>([2, 58, 28, 48, 73, 28, 4, 3, 23, 14, 64, 15, 13, 35]);
const ERRNOS: u32 = 14;
/** By that of name lookup, from access-denied to permanent-resolver-failure. */
const lookupErrnos: usize = memory.data<u8>([2, 28, 44, 73, 44]);
const LOOKUP_ERRNOS: u32 = 5;

/** The errno of a result: see sockets.ts. Frees the text of an error. */
export function errnoIn(resultAt: usize): i32 {
  return load<u8>(resultAt, ResultLayout.IS_ERROR) == 0
    ? ERRNO_SUCCESS
    : errnoOf(resultAt + ResultLayout.VALUE, errnos, ERRNOS);
}

/** The same of a lookup. */
export function lookupErrnoIn(resultAt: usize): i32 {
  return load<u8>(resultAt, ResultLayout.IS_ERROR) == 0
    ? ERRNO_SUCCESS
    : errnoOf(resultAt + ResultLayout.VALUE, lookupErrnos, LOOKUP_ERRNOS);
}

function errnoOf(errorAt: usize, table: usize, count: u32): i32 {
  const code = load<u8>(errorAt, ErrorLayout.CODE);
  if (code < count) return load<u8>(table + code);
  if (load<u8>(errorAt, ErrorLayout.HAS_TEXT) != 0 && load<i32>(errorAt, ErrorLayout.TEXT_LENGTH) > 0) {
    heap.free(load<usize>(errorAt, ErrorLayout.TEXT));
  }
  return ERRNO_IO;
}
