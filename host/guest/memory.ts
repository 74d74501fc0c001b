/**
 * Owns the view of a guest's memory, and the question whether an address is in it. Knows no call.
 *
 * Addresses and lengths come from the guest as they are: i32, so perhaps negative in JavaScript, where they mean the
 * upper half of the address space. A caller asks {@link GuestMemory.has} before it touches a thing.
 *
 * A guest's memory is not shared, so a buffer that it had before it grew is detached, and an array over it is empty. Asking
 * the memory for its buffer each time instead would be a call out of compiled code.
 */

import type { LinearMemory } from "../wasi/poll-oneoff.js";

const NONE: LinearMemory = { buffer: new ArrayBuffer(0) };

export class GuestMemory {
  #memory = NONE;
  #view = new DataView(NONE.buffer);
  #bytes = new Uint8Array(NONE.buffer);

  /** The memory itself: empty until {@link attach}, as while a module's start function runs. */
  get linear(): LinearMemory {
    return this.#memory;
  }

  attach(memory: LinearMemory): void {
    this.#memory = memory;
    this.#renew();
  }

  /** Good until the guest runs again: its memory may have grown then. */
  get view(): DataView {
    if (this.#bytes.length === 0) this.#renew();
    return this.#view;
  }

  /** All of it, as long as {@link view}. */
  get bytes(): Uint8Array {
    if (this.#bytes.length === 0) this.#renew();
    return this.#bytes;
  }

  /** Are there `length` bytes at `at`? */
  has(at: number, length: number): boolean {
    return (at >>> 0) + (length >>> 0) <= this.bytes.length;
  }

  /** A part of it, which {@link has} has found to be there. */
  slice(at: number, length: number): Uint8Array {
    return this.bytes.subarray(at >>> 0, (at >>> 0) + (length >>> 0));
  }

  setUint32(at: number, value: number): void {
    this.view.setUint32(at >>> 0, value, true);
  }

  #renew(): void {
    const { buffer } = this.#memory;
    this.#view = new DataView(buffer);
    this.#bytes = new Uint8Array(buffer);
  }
}
