/**
 * Owns passing memory to libc by address: two buffers whose addresses are known, one to receive into and one to send
 * from, and the address of the memory that was passed last. Knows no descriptor.
 *
 * To ask a view for its address costs 150 to 200 ns; asking a small one for it costs several times the system call
 * itself, because V8 keeps up to 64 bytes inside the object and must move them out first. Copying a few bytes is cheaper.
 */

import { copyTo } from "../backend/bytes.js";
import type { Libc } from "./libc.js";
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
  readonly #libc: Libc;
  readonly #staged = new Uint8Array(STAGED_BYTES);
  readonly #stagedAt: number;
  #known: ArrayBufferLike | undefined;
  #knownAt = 0;

  constructor(libc: Libc) {
    this.#libc = libc;
    this.bytesAt = Number(libc.addressOf(this.bytes));
    this.#stagedAt = Number(libc.addressOf(this.#staged));
  }

  /** Where `length` bytes, all of `data`, can be sent from: an address that is good until the next call. */
  toSend(data: Uint8Array, length: number): number {
    if (length > STAGED_BYTES) return this.#addressOf(data);
    copyTo(this.#staged, data);
    return this.#stagedAt;
  }

  /** Where to receive `length` bytes that are for `target`; to be followed by {@link received}. */
  toReceive(target: Uint8Array, length: number): number {
    return length <= HEAP_BYTES ? this.bytesAt : this.#addressOf(target);
  }

  /** So many of `length` bytes have come, where {@link toReceive} said. */
  received(target: Uint8Array, length: number, count: number): void {
    if (length > HEAP_BYTES) return;
    const { bytes } = this;
    for (let i = 0; i < count; i++) target[i] = bytes[i] ?? 0;
  }

  /** The address of a view of more than {@link HEAP_BYTES}. */
  #addressOf(view: Uint8Array): number {
    const memory = bufferOf(view);
    const offset = offsetOf(view);
    // Memory does not move. One that was taken from its ArrayBuffer has left views of no length behind.
    if (memory === this.#known) return this.#knownAt + offset;
    const at = Number(this.#libc.addressOf(view));
    if (memory.byteLength <= KNOWN_BYTES_MAX) {
      this.#known = memory;
      this.#knownAt = at - offset;
    }
    return at;
  }
}
