/**
 * Owns what has been read from connections before anybody asked for it: one buffer a connection, from a wait to the end
 * of the batch that it began. Knows neither the poll set that found them nor what becomes of a rest.
 */

import { copyOf, copyTo } from "../../backend/bytes.js";
import { type Aio, AIO_MAX, NOT_MADE } from "./aio.js";
import { errnos } from "../constants.js";
import type { Drained } from "./drained.js";
import { grown } from "../grown.js";
import type { Libc } from "../libc.js";

/** As much is read ahead of one connection. One that has more is better served by a large recv. */
export const AHEAD_BYTES = 2048;
/** From one buffer to the next: buffers at a distance of a power of two would compete for the same sets of the cache. */
const STRIDE = AHEAD_BYTES + 64;
/** For so many connections at once; all others are read when they are asked. */
const BUFFERS_MAX = 512;

export class ReadAhead {
  readonly #libc: Libc;
  readonly #aio: Aio;
  readonly #drained: Drained;
  /** Grows with the number of connections that are ready at once. */
  #bytes = new Uint8Array(0);
  #bytesAt = 0;
  /** By buffer: whose it is, and what of it has not been taken. */
  readonly #fds = new Int32Array(BUFFERS_MAX);
  readonly #from = new Int32Array(BUFFERS_MAX);
  readonly #to = new Int32Array(BUFFERS_MAX);
  #count = 0;
  /** By descriptor: its buffer's number and one; 0 while nothing was read ahead. */
  #buffers = new Int32Array(1024);

  constructor(libc: Libc, aio: Aio, drained: Drained) {
    this.#libc = libc;
    this.#aio = aio;
    this.#drained = drained;
  }

  /**
   * Reads from the first `count` of `fds`, non-blocking streams, as many as there is room for.
   * @param onError called with what reading gave instead, where asking again would not tell it again
   */
  read(fds: Int32Array, count: number, onError: (fd: number, errno: number) => void): void {
    const total = Math.min(count, BUFFERS_MAX);
    if (total * STRIDE > this.#bytes.length) this.#grow(total);
    for (let first = 0; first < total; first += AIO_MAX) {
      const calls = Math.min(AIO_MAX, total - first);
      for (let i = 0; i < calls; i++) {
        this.#aio.read(i, fds[first + i] ?? -1, this.#bytesAt + (first + i) * STRIDE, AHEAD_BYTES);
      }
      this.#aio.run(calls);
      for (let i = 0; i < calls; i++) {
        const fd = fds[first + i] ?? -1;
        const result = this.#aio.results[i] ?? 0;
        this.#fds[first + i] = fd;
        if (result > 0) this.#fill(first + i, fd, result);
        else if (result < 0 && result !== -errnos.EAGAIN && result !== NOT_MADE) onError(fd, result);
        this.#drained.note(fd, result, AHEAD_BYTES);
      }
    }
    this.#count = total;
  }

  /** The buffer of what was read ahead from `fd` and has not been taken; -1 where there is none. */
  bufferOf(fd: number): number {
    return (this.#buffers[fd] ?? 0) - 1;
  }

  /** How many bytes have been read ahead from `fd` and not been taken. */
  lengthOf(fd: number): number {
    const buffer = this.bufferOf(fd);
    return buffer < 0 ? 0 : (this.#to[buffer] ?? 0) - (this.#from[buffer] ?? 0);
  }

  /** Takes up to `most` bytes of a buffer, as bytes of their own. */
  take(buffer: number, most: number): Uint8Array {
    const from = buffer * STRIDE + (this.#from[buffer] ?? 0);
    return copyOf(this.#bytes, this.#advance(buffer, most), from);
  }

  /** The same into `target`. @returns bytes */
  takeInto(buffer: number, target: Uint8Array, most: number): number {
    const from = buffer * STRIDE + (this.#from[buffer] ?? 0);
    const length = this.#advance(buffer, Math.min(most, target.length));
    copyTo(target, this.#bytes.subarray(from, from + length));
    return length;
  }

  /** Forgets what was read ahead from `fd`. */
  drop(fd: number): void {
    const buffer = this.bufferOf(fd);
    if (buffer >= 0) this.#empty(buffer);
  }

  /** Ends with all buffers empty. @param keep called with what nobody has taken */
  end(keep: (fd: number, rest: Uint8Array) => void): void {
    const count = this.#count;
    this.#count = 0;
    for (let buffer = 0; buffer < count; buffer++) {
      const from = this.#from[buffer] ?? 0;
      const to = this.#to[buffer] ?? 0;
      if (from === to) continue;
      const rest = copyOf(this.#bytes, to - from, buffer * STRIDE + from);
      this.#empty(buffer);
      keep(this.#fds[buffer] ?? -1, rest);
    }
  }

  #fill(buffer: number, fd: number, length: number): void {
    this.#from[buffer] = 0;
    this.#to[buffer] = length;
    if (fd >= this.#buffers.length) this.#buffers = grown(this.#buffers, fd);
    this.#buffers[fd] = buffer + 1;
  }

  /** @returns how many bytes those taken are */
  #advance(buffer: number, most: number): number {
    const from = this.#from[buffer] ?? 0;
    const left = (this.#to[buffer] ?? 0) - from;
    if (most < left) {
      this.#from[buffer] = from + most;
      return most;
    }
    this.#empty(buffer);
    return left;
  }

  #empty(buffer: number): void {
    this.#from[buffer] = this.#to[buffer] ?? 0;
    this.#buffers[this.#fds[buffer] ?? 0] = 0;
  }

  /** Nothing is in the buffers when they move. */
  #grow(total: number): void {
    const buffers = Math.min(BUFFERS_MAX, Math.max(AIO_MAX, 2 ** Math.ceil(Math.log2(total))));
    this.#bytes = new Uint8Array(buffers * STRIDE);
    this.#bytesAt = Number(this.#libc.addressOf(this.#bytes));
  }
}
