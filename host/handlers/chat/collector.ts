/**
 * Owns bytes that are collected piece by piece and then taken all at once. Knows no channel and no terminator.
 *
 * Pieces are copied next to each other into blocks, for two reasons: otherwise each byte from a peer that sends byte by
 * byte would cost an object of about a hundred bytes; and a piece is a view, which would keep its whole read buffer in
 * memory. Each block is as long as all blocks before it together, so memory use is at most about twice the data.
 */

import { NO_BYTES } from "./bytes.js";

/** Minimum and maximum length of the blocks after the first; a longer piece gets a block of its own length. */
const BLOCK_BYTES_MIN = 64;
const BLOCK_BYTES_MAX = 65_536;

export class Collector {
  #blocks: Uint8Array[] = [];
  /** Bytes used in the last block; all others are full. */
  #filled = 0;
  #length = 0;
  #capacity = 0;

  /** Bytes of memory allocated. */
  get capacity(): number {
    return this.#capacity;
  }

  /** Adds a copy of `data`. */
  add(data: Uint8Array): void {
    let rest = data;
    while (rest.length > 0) {
      let block = this.#blocks.at(-1);
      if (block === undefined || this.#filled === block.length) block = this.#addBlock(rest.length);
      const room = block.length - this.#filled;
      const fits = rest.length <= room;
      const part = fits ? rest : rest.subarray(0, room);
      block.set(part, this.#filled);
      this.#filled += part.length;
      this.#length += part.length;
      if (fits) return;
      rest = rest.subarray(room);
    }
  }

  /** Takes everything added since the last call, as a copy. */
  take(): Uint8Array {
    const blocks = this.#blocks;
    const first = blocks[0] ?? NO_BYTES;
    const length = this.#length;
    const filled = this.#filled;
    this.clear();
    // The usual case, one piece that is a whole message: it has already been copied.
    if (blocks.length === 1 && first.length === length) return first;
    const all = new Uint8Array(length);
    let at = 0;
    for (const [index, block] of blocks.entries()) {
      all.set(index === blocks.length - 1 ? block.subarray(0, filled) : block, at);
      at += block.length;
    }
    return all;
  }

  clear(): void {
    this.#blocks = [];
    this.#filled = 0;
    this.#length = 0;
    this.#capacity = 0;
  }

  #addBlock(wanted: number): Uint8Array {
    const growth = this.#length === 0 ? 0 : Math.max(BLOCK_BYTES_MIN, Math.min(this.#length, BLOCK_BYTES_MAX));
    const block = new Uint8Array(Math.max(wanted, growth));
    this.#blocks.push(block);
    this.#filled = 0;
    this.#capacity += block.length;
    return block;
  }
}
