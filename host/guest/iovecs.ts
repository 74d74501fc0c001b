/**
 * Owns a guest's vectors of buffers: reads and checks them, and copies between them and one buffer of the host. Knows
 * the layout; knows no descriptor.
 */

import { ERRNO_FAULT, ERRNO_INVAL, ERRNO_SUCCESS } from "../wasi/errno.js";
import type { GuestMemory } from "./memory.js";
import { Iovec } from "../wasi/layout.js";

/** IOV_MAX, as everywhere. */
const COUNT_MAX = 1024;
const LENGTH_MAX = 0xffff_ffff;

/** One vector, used again for every call. */
/** What a call writes at most. A datagram is never longer. */
const PIECE_BYTES = 65_536;

export class Iovecs {
  readonly #memory: GuestMemory;
  readonly #at = new Uint32Array(COUNT_MAX);
  readonly #lengths = new Uint32Array(COUNT_MAX);
  #count = 0;
  #total = 0;

  constructor(memory: GuestMemory) {
    this.#memory = memory;
  }

  /** Bytes of all buffers together. */
  get total(): number {
    return this.#total;
  }

  /** Reads `count` of them. Empty ones are left out: their addresses mean nothing. @returns a WASI errno. */
  read(at: number, count: number): number {
    this.#count = 0;
    this.#total = 0;
    const length = count >>> 0;
    if (length > COUNT_MAX) return ERRNO_INVAL;
    if (!this.#memory.has(at, length * Iovec.SIZE)) return ERRNO_FAULT;
    const { view } = this.#memory;
    for (let i = 0, from = at >>> 0; i < length; i++, from += Iovec.SIZE) {
      const bufferAt = view.getUint32(from + Iovec.BUFFER, true);
      const bytes = view.getUint32(from + Iovec.LENGTH, true);
      if (bytes === 0) continue;
      if (!this.#memory.has(bufferAt, bytes)) return ERRNO_FAULT;
      this.#at[this.#count] = bufferAt;
      this.#lengths[this.#count] = bytes;
      this.#count++;
      this.#total += bytes;
    }
    return this.#total > LENGTH_MAX ? ERRNO_INVAL : ERRNO_SUCCESS;
  }

  /** Copies the first `length` bytes of `source` into the buffers, from their byte `from` on. */
  scatter(source: Uint8Array, length: number, from = 0): void {
    const { bytes } = this.#memory;
    let skip = from;
    let done = 0;
    for (let i = 0; done < length; i++) {
      const size = this.#lengths[i] ?? 0;
      if (skip >= size) {
        skip -= size;
        continue;
      }
      const part = Math.min(size - skip, length - done);
      bytes.set(source.subarray(done, done + part), (this.#at[i] ?? 0) + skip);
      done += part;
      skip = 0;
    }
  }

  /**
   * The bytes in one piece: where they are if they are that, else as many of them as `target()` holds, in it. Not more than
   * {@link PIECE_BYTES}: what a call writes is bounded, whatever the guest asks for.
   */
  gather(target: () => Uint8Array): Uint8Array {
    const { bytes } = this.#memory;
    const first = this.#at[0] ?? 0;
    if (this.#count <= 1) return bytes.subarray(first, first + Math.min(this.#total, PIECE_BYTES));
    const gathered = target();
    const most = gathered.length;
    let done = 0;
    for (let i = 0; i < this.#count && done < most; i++) {
      const at = this.#at[i] ?? 0;
      const part = Math.min(this.#lengths[i] ?? 0, most - done);
      gathered.set(bytes.subarray(at, at + part), done);
      done += part;
    }
    return gathered.subarray(0, done);
  }
}
