/**
 * Owns passing memory to libc by address: two buffers whose addresses are known, one to receive into and one to send
 * from, and the address of the memory that was passed last. Knows no descriptor.
 *
 * Getting the address of a view costs 150 to 200 ns. For a small view it costs several times as much as the system call,
 * because V8 keeps up to 64 bytes inside the object and must move them out first. Copying a few bytes is cheaper.
 */

import { copyTo } from "../backend/bytes.js";
import type { Libc } from "./libc.js";
import { Slab } from "./slab.js";
import { bufferOf, offsetOf } from "./views.js";

const BYTES = 65_536;
/** Up to this size copying costs less than passing the view. */
const STAGED_BYTES = 4096;
/** V8 keeps views of up to this size in its heap, where they move. */
const HEAP_BYTES = 64;
/** Larger memory (a guest's) is not kept alive for the sake of its address. */
const KNOWN_BYTES_MAX = 1_048_576;

export class Scratch {
  /** To receive into. */
  readonly bytes = new Uint8Array(BYTES);
  /** Its address. */
  readonly bytesAt: number;
  /** To receive into what is returned. */
  readonly slab: Slab;
  readonly #libc: Libc;
  readonly #staged = new Uint8Array(STAGED_BYTES);
  readonly #stagedAt: number;
  #known: ArrayBufferLike | undefined;
  #knownAt = 0;

  constructor(libc: Libc) {
    this.#libc = libc;
    this.slab = new Slab(libc);
    this.bytesAt = Number(libc.addressOf(this.bytes));
    this.#stagedAt = Number(libc.addressOf(this.#staged));
  }

  /** The address of the `length` bytes of `data`, or of a copy of them. Valid until the next call. */
  toSend(data: Uint8Array, length: number): number {
    if (length > HEAP_BYTES) {
      const at = this.slab.addressOf(bufferOf(data));
      if (at !== 0) return at + offsetOf(data);
    }
    if (length > STAGED_BYTES) return this.#addressOf(data);
    copyTo(this.#staged, data);
    return this.#stagedAt;
  }

  /** The address at which to receive `length` bytes for `target`. Call {@link received} afterwards. */
  toReceive(target: Uint8Array, length: number): number {
    return length <= HEAP_BYTES ? this.bytesAt : this.#addressOf(target);
  }

  /** `count` bytes have been received at the address that {@link toReceive} gave. */
  received(target: Uint8Array, length: number, count: number): void {
    if (length > HEAP_BYTES) return;
    const { bytes } = this;
    for (let i = 0; i < count; i++) target[i] = bytes[i] ?? 0;
  }

  /** The address of a view of more than {@link HEAP_BYTES}. */
  #addressOf(view: Uint8Array): number {
    const memory = bufferOf(view);
    const offset = offsetOf(view);
    // Memory does not move. If its ArrayBuffer was transferred, its views have no length any more.
    if (memory === this.#known) return this.#knownAt + offset;
    const at = Number(this.#libc.addressOf(view));
    if (memory.byteLength <= KNOWN_BYTES_MAX) {
      this.#known = memory;
      this.#knownAt = at - offset;
    }
    return at;
  }
}
