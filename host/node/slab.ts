/**
 * Owns the memory that received data is returned in: large slabs at known addresses, received into directly and handed
 * out as views, one after another. Knows no descriptor.
 *
 * Memory of its own for each read costs more than the read: it has to be allocated, zeroed, copied into and freed, and is
 * in no cache. Short data is copied nevertheless, because a view that is kept keeps its whole slab in memory.
 */

import { markAsUntransferable } from "node:worker_threads";
import { copyOf, copyTo } from "../backend/bytes.js";
import type { Libc } from "./libc.js";

/** How much a slab has room for. */
const ROOM_BYTES = 1_048_576;
/** The longest read that is made into a slab: it may leave as much at the end of a slab unused. */
const READ_BYTES_MAX = ROOM_BYTES / 4;
/** Data below this length is copied. */
const COPIED_BYTES = 1024;
/** Views begin at multiples of this. */
const ALIGNMENT = 64;
const PAGE_BYTES = 4096;
/**
 * Where in a page the room of a slab begins. The kernel's own copy of long data mostly begins where a page does. If the
 * target of a copy is a little further in its page than the source is in its own, the processor takes what it loads for
 * what it has just stored, by the low 12 bits of the address, and the copy takes up to three times as long. Half a page is
 * far from that, for what is received into a slab and for what is sent from it.
 */
const START_IN_PAGE = PAGE_BYTES / 2;

export class Slab {
  /** Where to receive what {@link takes} has agreed to. */
  address = 0;
  readonly #libc: Libc;
  /** The slab in use; empty before the first, and where a program has detached it. */
  #bytes = new Uint8Array(0);
  #used = 0;
  #free = 0;
  /** Can slabs be protected from being transferred? Not on every runtime. */
  #isProtectable = true;

  constructor(libc: Libc) {
    this.#libc = libc;
  }

  /** May a read of up to `most` bytes be made here? */
  takes(most: number): boolean {
    // Detached memory has another owner, and is not received into.
    return (most <= this.#free && this.#bytes.length > 0 && most <= READ_BYTES_MAX) || this.#renew(most);
  }

  /** `count` bytes have been received at {@link address}. @returns them, as an array of their own or as a view of the slab */
  received(count: number): Uint8Array {
    const from = this.#used;
    if (count < COPIED_BYTES) return copyOf(this.#bytes, count, from);
    const taken = (count + ALIGNMENT - 1) & -ALIGNMENT;
    this.#used += taken;
    this.#free -= taken;
    this.address += taken;
    return new Uint8Array(this.#bytes.buffer, from, count);
  }

  /** A copy of `length` bytes of `source`, starting at `from`: an array of its own, or a view of the slab. */
  copyOf(source: Uint8Array, length: number, from: number): Uint8Array {
    if (length < COPIED_BYTES || !this.takes(length)) return copyOf(source, length, from);
    copyTo(this.#bytes, source.subarray(from, from + length), this.#used);
    return this.received(length);
  }

  /** The address of the slab in use, if `memory` is that; 0 otherwise. */
  addressOf(memory: ArrayBufferLike): number {
    return memory === this.#bytes.buffer ? this.address - this.#used : 0;
  }

  /** Goes on to a new slab, if a read of up to `most` bytes can be made in one. */
  #renew(most: number): boolean {
    if (most > READ_BYTES_MAX || !this.#isProtectable) return false;
    const memory = allocate();
    this.#isProtectable = memory !== undefined;
    if (memory === undefined) return false;
    this.#bytes = new Uint8Array(memory);
    const address = Number(this.#libc.addressOf(this.#bytes));
    this.#used = (START_IN_PAGE - (address % PAGE_BYTES) + PAGE_BYTES) % PAGE_BYTES;
    this.#free = ROOM_BYTES;
    this.address = address + this.#used;
    return true;
  }
}

/** undefined where it could be transferred, and so take data of other channels along. */
function allocate(): ArrayBuffer | undefined {
  const { buffer } = Buffer.allocUnsafeSlow(ROOM_BYTES + PAGE_BYTES);
  try {
    markAsUntransferable(buffer);
  } catch {
    return undefined;
  }
  return buffer;
}
