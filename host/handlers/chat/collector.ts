/**
 * Owns bytes that are collected piece by piece until they are taken together. Knows no channel and no terminator.
 *
 * Pieces are copied side by side into blocks, for two reasons: a peer that sends byte by byte would otherwise make an
 * object of some hundred bytes of each, and a piece is a view, which would keep the whole of what was read in memory.
 * Each block is as long as all before it together, so that what is held is at most about twice what was collected.
 */

import { NO_BYTES } from "./bytes.js";

/** Blocks after the first are this long at least, and at most unless a piece is longer. */
const BLOCK_BYTES_MIN = 64;
const BLOCK_BYTES_MAX = 65_536;

export class Collector {
  #blocks: Uint8Array[] = [];
  /** How much of the last block is filled; all others are full. */
  #filled = 0;
  #length = 0;
  #capacity = 0;

  /** Bytes of memory that are held. */
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
      const part = rest.length > room ? rest.subarray(0, room) : rest;
      block.set(part, this.#filled);
      this.#filled += part.length;
      this.#length += part.length;
      rest = rest.subarray(part.length);
    }
  }

  /** Everything that was added since the last call, in memory of its own. */
  take(): Uint8Array {
    const blocks = this.#blocks;
    const [first = NO_BYTES] = blocks;
    const length = this.#length;
    const filled = this.#filled;
    this.clear();
    // The usual case, a piece that is a message: it has been copied already.
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
