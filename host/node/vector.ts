/**
 * Owns sending several pieces in one sendmsg(2): struct msghdr and the array of struct iovec. Knows no address.
 *
 * ```
 * struct iovec    0        8        16
 *                 | base   | length |
 * struct msghdr   0        8            16      24            32         40            48 (Linux)  56
 *                 | name 0 | length 0   | iov   | pieces      | control 0| length 0    | flags     |
 * ```
 * On BSD the number of pieces and the lengths have 32 bits and padding after them: the same bytes on little-endian.
 *
 * Getting the address of a piece costs more than copying a small one. So small pieces are copied into a buffer whose
 * address is known, neighbours into one iovec, and only large ones are sent from their own memory.
 */

import { errnos, IOV_MAX, type PlatformConstants, SOCK_STREAM, socketLevel } from "./constants.js";
import { copyTo, lengthOf } from "../backend/bytes.js";
import type { Libc } from "./libc.js";

/** Pieces up to this size are copied. */
const COPIED_BYTES = 1024;
const GATHER_BYTES = 65536;

/** Sends `pieces`; a stream may take a part of them. @returns bytes taken, or -errno. */
export type VectorSend = (fd: number, pieces: readonly Uint8Array[]) => number;

export function createVectorSend(libc: Libc, constants: PlatformConstants): VectorSend {
  const { errno } = libc;
  const { MSG_NOSIGNAL } = constants;
  const level = socketLevel(constants);
  const gathered = new Uint8Array(GATHER_BYTES);
  const gatheredAt = Number(libc.addressOf(gathered));
  const vector = new BigUint64Array(IOV_MAX * 2);
  const words = new Uint32Array(vector.buffer);
  const message = new BigUint64Array(7);
  message[2] = libc.addressOf(vector);

  function isStream(fd: number): boolean {
    const [type, length] = [new Int32Array(1), new Uint32Array([4])];
    return libc.getsockopt(fd, level, constants.options.SO_TYPE[1], type, length) >= 0 && type[0] === SOCK_STREAM;
  }

  function setLength(slot: number, length: number): void {
    words[slot * 4 + 2] = length;
    words[slot * 4 + 3] = length / 0x1_0000_0000;
  }

  /** Fills the vector. @returns how many of `pieces` are in it; the slots used are in `message`. */
  function fill(pieces: readonly Uint8Array[]): number {
    let slots = 0;
    let copied = 0;
    let runStart = -1;
    let taken = 0;
    for (const piece of pieces) {
      const length = lengthOf(piece);
      if (length <= COPIED_BYTES && copied + length <= GATHER_BYTES) {
        if (runStart < 0 && length > 0) {
          if (slots === IOV_MAX) break;
          runStart = copied;
          const address = gatheredAt + copied;
          words[slots * 4] = address;
          words[slots * 4 + 1] = address / 0x1_0000_0000;
          slots++;
        }
        copyTo(gathered, piece, copied);
        copied += length;
        if (runStart >= 0) setLength(slots - 1, copied - runStart);
      } else {
        if (slots === IOV_MAX) break;
        vector[slots * 2] = libc.addressOf(piece);
        setLength(slots, length);
        slots++;
        runStart = -1;
      }
      taken++;
    }
    message[3] = BigInt(slots);
    return taken;
  }

  return (fd, pieces) => {
    // What does not fit waits for the next call; a datagram cannot be cut in two.
    if (fill(pieces) < pieces.length && !isStream(fd)) return -errnos.EMSGSIZE;
    while (true) {
      const length = libc.sendmsg(fd, message, MSG_NOSIGNAL);
      if (length >= 0) return length;
      const failed = errno();
      if (failed !== errnos.EINTR) return -failed;
    }
  };
}
