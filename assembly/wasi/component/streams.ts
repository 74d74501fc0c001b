/** Owns reading and writing by wasi:io's streams. Knows descriptors; knows no sockets. Nothing here waits. */

import { ERRNO_AGAIN, ERRNO_PIPE, ERRNO_SUCCESS } from "../../shared/errno";
import { errnoOfStream } from "./errors";
import { RESULT_SIZE, checkWrite, readStream, writeStream } from "./io";
import { landAt } from "./realloc";

const result = memory.data(RESULT_SIZE, 8);

/** Reads to `at`. @returns bytes, 0 at the end of input, -errno */
export function readInput(input: i32, at: usize, length: i32): i32 {
  landAt(at, length);
  readStream(input, length, result);
  landAt(0, 0);
  if (load<u8>(result) != 0) {
    const errno = errnoOfStream(result + 4);
    return errno == ERRNO_PIPE ? 0 : -errno;
  }
  const count = load<i32>(result, 8);
  if (count == 0) return -ERRNO_AGAIN;
  const landed = load<usize>(result, 4);
  if (landed != at) {
    memory.copy(at, landed, count);
    heap.free(landed);
  }
  return count;
}

/** Writes what the host is ready to take, and never more: that would trap. @returns bytes, or -errno */
export function writeOutput(output: i32, at: usize, length: i32): i32 {
  const room = roomIn(output);
  if (room <= 0) return room == 0 ? -ERRNO_AGAIN : i32(room);
  const count = i32(min<i64>(room, length));
  writeStream(output, at, count, result);
  return load<u8>(result) == 0 ? count : -errnoOfStream(result + 4);
}

/** How much the host would take: 0 while it has bytes that are not sent yet. @returns bytes, or -errno */
export function roomIn(output: i32): i64 {
  checkWrite(output, result);
  return load<u8>(result) == ERRNO_SUCCESS ? load<i64>(result, 8) : -errnoOfStream(result + 8);
}
