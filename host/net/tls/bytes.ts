/** Owns the memory that records and plaintext pass through. Knows no session. */

import type { Socket } from "../socket.js";

/** Bytes of records per read: the plaintext held is at most this much and one record. */
const READ_BYTES = 65_536;
/** Records are read into this, unless it is in use. */
let spareBuffer: Uint8Array | undefined;

/**
 * Receives from a socket, into memory that is used again afterwards.
 * @param take gets what was received, and copies it; nothing at end of input
 * @param fail gets what `recvInto` throws
 */
export function receiveRecords(
  socket: Socket,
  take: (records: Uint8Array) => void,
  fail: (error: unknown) => void,
): void {
  // Node may call a program's callbacks before it has copied the last of what it is given.
  const buffer = spareBuffer ?? new Uint8Array(READ_BYTES);
  spareBuffer = undefined;
  let length: number;
  try {
    length = socket.recvInto(buffer);
  } catch (error) {
    spareBuffer = buffer;
    return fail(error);
  }
  try {
    take(buffer.subarray(0, length));
  } finally {
    spareBuffer = buffer;
  }
}

/** The first `maxBytes` of several pieces. */
export function joined(pieces: readonly Uint8Array[], maxBytes: number): Uint8Array {
  let length = 0;
  for (const piece of pieces) length += piece.length;
  const all = new Uint8Array(Math.min(length, maxBytes));
  let at = 0;
  for (const piece of pieces) {
    if (at === all.length) break;
    all.set(piece.length > all.length - at ? piece.subarray(0, all.length - at) : piece, at);
    at += Math.min(piece.length, all.length - at);
  }
  return all;
}
