/** Owns bytes to be sent: a queue of pieces that is never copied as a whole. Knows nothing of channels. */

import { copyTo } from "../backend/bytes.js";
import { partOf } from "../net/plain-bytes.js";

/** Maximum bytes per send of a queue whose owner sets no other. */
const BYTES_A_SEND = 1_048_576;
/** Maximum pieces per send: far below IOV_MAX on every platform, and more small pieces than a socket takes at once. */
export const PIECES_A_SEND = 64;
/** Copies up to this size are packed into shared blocks, so that a queue of many small copies has few pieces. */
const SMALL_BYTES = 1024;
const BLOCK_BYTES = 16_384;
/** A block for copies as small as the first one: what a connection has pending is often a few bytes. */
const FIRST_BLOCK_BYTES = 2048;

/**
 * Takes pieces as `plainBytes` returns them, with a reliable `length`. The first piece has a field of its own: usually
 * there is no other, and an array would cost more than the queue.
 */
export class SendQueue {
  #head: Uint8Array | undefined;
  /** The pieces after the first, from `#next` on. */
  #later: Uint8Array[] | undefined;
  #next = 0;
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
    if (this.#head === undefined) return 0;
    return this.#later === undefined ? 1 : 1 + this.#later.length - this.#next;
  }

  /** Adds a piece at the end, uncopied. It must not change until it is sent. */
  push(piece: Uint8Array): void {
    if (piece.length === 0) return;
    this.#add(piece);
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
      block = this.#block = new Uint8Array(block === undefined ? FIRST_BLOCK_BYTES : BLOCK_BYTES);
      this.#blockUsed = 0;
    }
    const start = this.#blockUsed;
    copyTo(block, data, start);
    this.#blockUsed = start + data.length;
    this.#length += data.length;
    const last = this.#last;
    // If the last piece is in the same block, it ends where this one starts.
    if (last?.buffer === block.buffer) this.#last = partOf(block, last.byteOffset, this.#blockUsed);
    else this.#add(partOf(block, start, this.#blockUsed));
  }

  /** Adds a copy of `data` at the front. */
  pushFrontCopy(data: Uint8Array): void {
    if (data.length === 0) return;
    const head = this.#head;
    if (head !== undefined) {
      this.#later = [head, ...(this.#later?.slice(this.#next) ?? [])];
      this.#next = 0;
    }
    this.#head = new Uint8Array(data);
    this.#length += data.length;
  }

  /** Moves everything from another queue to this one. */
  takeFrom(other: SendQueue): void {
    if (other.#head !== undefined) this.push(other.#head);
    const later = other.#later;
    if (later !== undefined) for (let i = other.#next; i < later.length; i++) this.push(later[i] ?? NOTHING);
    other.clear();
  }

  /** The first piece, at most `maxBytes` of it; undefined if there is none. */
  first(maxBytes: number): Uint8Array | undefined {
    // Its memory has since been transferred to another thread: its bytes are lost, and must not be waited for.
    if (this.#head?.length === 0) this.#dropEmptied();
    const head = this.#head;
    return head === undefined || head.length <= maxBytes ? head : partOf(head, 0, maxBytes);
  }

  /** The pieces at the front that one send may take, at most `maxBytes` together. */
  front(maxBytes = BYTES_A_SEND): Uint8Array[] {
    const front: Uint8Array[] = [];
    const count = this.pieceCount;
    let bytes = 0;
    for (let i = 0; i < count && front.length < PIECES_A_SEND && bytes < maxBytes; i++) {
      const piece = this.#piece(i);
      if (piece.length === 0) {
        this.#dropEmptied();
        return this.front(maxBytes);
      }
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
      const head = this.#head;
      if (head === undefined) break;
      if (head.length > left) {
        this.#head = partOf(head, left, head.length);
        return;
      }
      left -= head.length;
      this.#removeHead();
    }
    if (this.#head === undefined) this.clear();
  }

  clear(): void {
    this.#head = undefined;
    this.#later = undefined;
    this.#next = 0;
    this.#length = 0;
    this.#block = undefined;
    this.#blockUsed = 0;
  }

  get #last(): Uint8Array | undefined {
    const later = this.#later;
    return later !== undefined && later.length > this.#next ? later.at(-1) : this.#head;
  }

  /** Replaces the last piece. */
  set #last(piece: Uint8Array) {
    const later = this.#later;
    if (later !== undefined && later.length > this.#next) later[later.length - 1] = piece;
    else this.#head = piece;
  }

  #piece(index: number): Uint8Array {
    return (index === 0 ? this.#head : this.#later?.[this.#next + index - 1]) ?? NOTHING;
  }

  #add(piece: Uint8Array): void {
    if (this.#head === undefined) this.#head = piece;
    else (this.#later ??= []).push(piece);
  }

  /** Makes the second piece the first. Sent pieces are released rarely, so that the cost per piece does not depend on how many there are. */
  #removeHead(): void {
    const later = this.#later;
    this.#head = later?.[this.#next];
    if (later === undefined || this.#head === undefined) return;
    this.#next += 1;
    if (this.#next === later.length) {
      this.#later = undefined;
      this.#next = 0;
    } else if (this.#next >= 1024 && 2 * this.#next >= later.length) {
      this.#later = later.slice(this.#next);
      this.#next = 0;
    }
  }

  /** Drops pieces whose memory has been transferred away. */
  #dropEmptied(): void {
    const pieces = [this.#head ?? NOTHING, ...(this.#later?.slice(this.#next) ?? [])];
    this.clear();
    for (const piece of pieces) this.push(piece);
  }
}

const NOTHING = new Uint8Array(0);
