/** Owns reading and writing by wasi:io's streams. Knows descriptors; knows no sockets. Nothing here waits. */

import { lengthOf } from "../backend/bytes.js";
import type { Descriptor } from "./descriptors.js";
import { ERRNO, errnoOfStream } from "./errors.js";

/** A view whose `length` is its own. */
export function plain(data: Uint8Array): Uint8Array {
  const length = lengthOf(data);
  return data.length === length ? data : new Uint8Array(data.buffer, data.byteOffset, length);
}

/** @returns the bytes, none at the end of input; or -errno */
export function readInput(descriptor: Descriptor, length: number): Uint8Array | number {
  const { input, peeked } = descriptor;
  if (peeked !== undefined) {
    descriptor.peeked = length < peeked.length ? peeked.subarray(length) : undefined;
    descriptor.changed();
    return length < peeked.length ? peeked.subarray(0, length) : peeked;
  }
  if (input === undefined) return -ERRNO.ENOTCONN;
  try {
    const data = input.read(length);
    return data.length > 0 || length === 0 ? data : -ERRNO.EAGAIN;
  } catch (thrown) {
    const errno = errnoOfStream(thrown);
    return errno === -ERRNO.EPIPE ? new Uint8Array(0) : errno;
  }
}

/** Writes what the host is ready to take, and never more: that would trap. @returns bytes, or -errno */
export function writeOutput(descriptor: Descriptor, data: Uint8Array): number {
  const { output } = descriptor;
  if (output === undefined) return -ERRNO.ENOTCONN;
  try {
    const room = output.checkWrite();
    if (room === 0) return data.length === 0 ? 0 : -ERRNO.EAGAIN;
    const piece = room < data.length ? data.subarray(0, room) : data;
    output.write(piece);
    return piece.length;
  } catch (thrown) {
    return errnoOfStream(thrown);
  }
}

/** How much the host would take: 0 while it has bytes that are not sent yet. -1 where there is nothing that could be sent. */
export function roomIn({ output, tcp, isSocket }: Descriptor): number {
  if (output === undefined || (isSocket && tcp === undefined)) return -1;
  try {
    return output.checkWrite();
  } catch (thrown) {
    errnoOfStream(thrown);
    return -1;
  }
}
