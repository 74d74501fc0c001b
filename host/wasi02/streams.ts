/** Owns reading and writing by wasi:io's streams. Knows descriptors; knows no sockets. Nothing here waits. */

import { lengthOf } from "../backend/bytes.js";
import type { Descriptor } from "./descriptors.js";
import { ERRNO, errnoOfStream } from "./errors.js";

/** What a read takes most often. */
const AHEAD_BYTES = 65_536;

/** A view whose `length` is its own. */
export function plain(data: Uint8Array): Uint8Array {
  const length = lengthOf(data);
  return data.length === length ? data : new Uint8Array(data.buffer, data.byteOffset, length);
}

/** @returns the bytes, none at the end of input; or -errno */
export function readInput(descriptor: Descriptor, length: number): Uint8Array | number {
  const { peeked } = descriptor;
  if (peeked === undefined) return readStream(descriptor, length);
  const isPart = typeof peeked !== "number" && length < peeked.length;
  descriptor.peeked = isPart ? peeked.subarray(length) : undefined;
  return isPart ? peeked.subarray(0, length) : peeked;
}

/**
 * Reads ahead: a host reports a connection once more when all of it has been read. What is read is kept for the next read.
 * @returns whether there is something to read: bytes, the end, or an error
 */
export function readAhead(descriptor: Descriptor): boolean {
  if (descriptor.peeked !== undefined) return true;
  const read = readStream(descriptor, AHEAD_BYTES);
  if (read === -ERRNO.EAGAIN) return false;
  descriptor.peeked = read;
  return true;
}

function readStream({ input }: Descriptor, length: number): Uint8Array | number {
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
