/**
 * Owns the view of a guest's memory, and the question whether an address is in it. Knows no call.
 *
 * Addresses and lengths come from the guest as they are: i32, so perhaps negative in JavaScript, where they mean the
 * upper half of the address space. A caller asks {@link GuestMemory.has} before it touches a thing.
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
  }

  /** Good until the guest runs again: its memory may have grown then. */
  get view(): DataView {
    this.#follow();
    return this.#view;
  }

  /** All of it, as long as {@link view}. */
  get bytes(): Uint8Array {
    this.#follow();
    return this.#bytes;
  }

  /** Are there `length` bytes at `at`? */
  has(at: number, length: number): boolean {
    return (at >>> 0) + (length >>> 0) <= this.#memory.buffer.byteLength;
  }

  /** A part of it, which {@link has} has found to be there. */
  slice(at: number, length: number): Uint8Array {
    return this.bytes.subarray(at >>> 0, (at >>> 0) + (length >>> 0));
  }

  setUint32(at: number, value: number): void {
    this.view.setUint32(at >>> 0, value, true);
  }

  #follow(): void {
    const { buffer } = this.#memory;
    if (this.#view.buffer === buffer) return;
    this.#view = new DataView(buffer);
    this.#bytes = new Uint8Array(buffer);
  }
}
