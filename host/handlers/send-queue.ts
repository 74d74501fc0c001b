/** Owns bytes to be sent: a queue of pieces that is never copied as a whole. Knows nothing of channels. */

import { copyTo } from "../backend/bytes.js";
import { partOf } from "../net/plain-bytes.js";

/** Maximum bytes per send: asyncore's 64 KiB. */
const BYTES_A_SEND = 65_536;
/** Maximum pieces per send: far below IOV_MAX on every platform, and more small pieces than a socket takes at once. */
export const PIECES_A_SEND = 64;
/** Copies up to this size are packed into shared blocks, so that a queue of many small copies has few pieces. */
const SMALL_BYTES = 1024;
const BLOCK_BYTES = 16_384;

/** Takes pieces as `plainBytes` returns them, with a reliable `length`. */
export class SendQueue {
  #pieces: Uint8Array[] = [];
  #first = 0;
  #length = 0;
  /** The block for small copies, and how much of it is used. */
  #block: Uint8Array | undefined;
  #blockUsed = 0;

  /** Bytes queued. */
  get length(): number {
    return this.#length;
  }

  /** Pieces queued. */
  get pieceCount(): number {
    return this.#pieces.length - this.#first;
  }

  /** Adds a piece at the end, uncopied. It must not change until it is sent or {@link own} is called. */
  push(piece: Uint8Array): void {
    if (piece.length === 0) return;
    this.#pieces.push(piece);
    this.#length += piece.length;
  }

  /** Adds a copy of `data` at the end. */
  pushCopy(data: Uint8Array): void {
    if (data.length > SMALL_BYTES) {
      // Not `slice`: a Buffer's does not copy.
      this.push(new Uint8Array(data));
      return;
    }
    if (data.length === 0) return;
    let block = this.#block;
    if (block === undefined || block.length - this.#blockUsed < data.length) {
      block = this.#block = new Uint8Array(BLOCK_BYTES);
      this.#blockUsed = 0;
    }
    const start = this.#blockUsed;
    copyTo(block, data, start);
    this.#blockUsed = start + data.length;
    this.#length += data.length;
    const last = this.pieceCount > 0 ? this.#pieces.at(-1) : undefined;
    // If the last piece is in the same block, it ends where this one starts.
    if (last?.buffer === block.buffer)
      this.#pieces[this.#pieces.length - 1] = partOf(block, last.byteOffset, this.#blockUsed);
    else this.#pieces.push(partOf(block, start, this.#blockUsed));
  }

  /** Replaces the unsent rest of a piece added by {@link push} with a copy: its owner may change it from now on. */
  own(piece: Uint8Array): void {
    for (let i = this.#first; i < this.#pieces.length; i++) {
      const part = this.#pieces[i];
      if (part !== undefined && part.buffer === piece.buffer) this.#pieces[i] = new Uint8Array(part);
    }
  }

  /** Moves everything from another queue to this one. */
  takeFrom(other: SendQueue): void {
    for (let i = other.#first; i < other.#pieces.length; i++) {
      const piece = other.#pieces[i];
      if (piece !== undefined) this.push(piece);
    }
    other.clear();
  }

  /** The pieces at the front that one send may take, at most `maxBytes` together. */
  front(maxBytes = BYTES_A_SEND): Uint8Array[] {
    const front: Uint8Array[] = [];
    let bytes = 0;
    for (let i = this.#first; i < this.#pieces.length && front.length < PIECES_A_SEND && bytes < maxBytes; i++) {
      const piece = this.#pieces[i];
      if (piece === undefined) break;
      // Its memory has since been transferred to another thread: its bytes are lost, and must not be waited for.
      if (piece.length === 0) return this.#dropEmptied() ? this.front(maxBytes) : front;
      const part = piece.length > maxBytes - bytes ? partOf(piece, 0, maxBytes - bytes) : piece;
      front.push(part);
      bytes += part.length;
    }
    return front;
  }

  /** Drops `count` bytes at the front, which have been sent. */
  drop(count: number): void {
    let left = Math.min(count, this.#length);
    this.#length -= left;
    while (left > 0) {
      const piece = this.#pieces[this.#first];
      if (piece === undefined) break;
      if (piece.length > left) {
        this.#pieces[this.#first] = partOf(piece, left, piece.length);
        break;
      }
      left -= piece.length;
      this.#first += 1;
    }
    this.#shrink();
  }

  clear(): void {
    this.#pieces = [];
    this.#first = 0;
    this.#length = 0;
    this.#block = undefined;
  }

  /** Drops pieces whose memory has been transferred away. @returns whether any are left */
  #dropEmptied(): boolean {
    const pieces = this.#pieces.slice(this.#first).filter((piece) => piece.length > 0);
    this.clear();
    for (const piece of pieces) this.push(piece);
    return pieces.length > 0;
  }

  /** Releases sent pieces, rarely enough that the cost per piece does not depend on the queue's length. */
  #shrink(): void {
    if (this.#first === this.#pieces.length) {
      this.clear();
    } else if (this.#first >= 1024 && 2 * this.#first >= this.#pieces.length) {
      this.#pieces = this.#pieces.slice(this.#first);
      this.#first = 0;
    }
  }
}
