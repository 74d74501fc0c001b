/** Owns bytes on their way: queues of chunks. Knows no socket. */

import { copyOf, copyTo, lengthOf } from "../backend/bytes.js";

const { subarray } = Uint8Array.prototype;

/** All of several views, in one array of its own. */
export function joined(pieces: readonly Uint8Array[], most = Infinity): Uint8Array {
  let total = 0;
  for (const piece of pieces) total += lengthOf(piece);
  const all = new Uint8Array(Math.min(total, most));
  let at = 0;
  for (const piece of pieces) {
    if (at >= all.length) break;
    const part = copyOf(piece, Math.min(lengthOf(piece), all.length - at));
    copyTo(all, part, at);
    at += part.length;
  }
  return all;
}

/** Bytes in the order in which they came. A chunk that is pushed belongs to the queue. */
export class ByteQueue {
  length = 0;
  #chunks: Uint8Array[] = [];
  /** The first chunk that has bytes, and the first of its bytes. */
  #first = 0;
  #offset = 0;

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.length += chunk.length;
  }

  /** Moves up to `most` bytes into `target`. @returns how many */
  read(target: Uint8Array, most: number): number {
    let done = 0;
    while (done < most) {
      const chunk = this.#chunks[this.#first];
      if (chunk === undefined) break;
      const count = Math.min(most - done, chunk.length - this.#offset);
      const isWhole = count === chunk.length && this.#offset === 0;
      copyTo(target, isWhole ? chunk : subarray.call(chunk, this.#offset, this.#offset + count), done);
      this.#advance(chunk, count);
      done += count;
    }
    return done;
  }

  /** Copies up to `most` bytes, from the one at `from` on, into `target`; all of them stay. @returns how many */
  peek(target: Uint8Array, most: number, from = 0): number {
    let done = 0;
    let skipped = from + this.#offset;
    for (let at = this.#first; done < most; at++) {
      const chunk = this.#chunks[at];
      if (chunk === undefined) break;
      const count = Math.min(most - done, chunk.length - skipped);
      if (count > 0) copyTo(target, subarray.call(chunk, skipped, skipped + count), done);
      done += Math.max(0, count);
      skipped = Math.max(0, skipped - chunk.length);
    }
    return done;
  }

  /** Takes up to `most` bytes out, as an array of their own. */
  take(most: number): Uint8Array {
    const chunk = this.#chunks[this.#first];
    if (chunk === undefined || most === 0) return new Uint8Array(0);
    if (this.#offset === 0 && chunk.length <= most && (chunk.length === this.length || chunk.length === most)) {
      this.#advance(chunk, chunk.length);
      return chunk;
    }
    const bytes = new Uint8Array(Math.min(most, this.length));
    this.read(bytes, bytes.length);
    return bytes;
  }

  /** Takes the byte at `at` out, and leaves those before it. */
  cut(at: number): number | undefined {
    const all = this.take(this.length);
    this.push(subarray.call(all, 0, at));
    this.push(subarray.call(all, at + 1));
    return all[at];
  }

  skip(count: number): void {
    let left = count;
    while (left > 0) {
      const chunk = this.#chunks[this.#first];
      if (chunk === undefined) return;
      const part = Math.min(left, chunk.length - this.#offset);
      this.#advance(chunk, part);
      left -= part;
    }
  }

  clear(): void {
    this.#chunks = [];
    this.#first = 0;
    this.#offset = 0;
    this.length = 0;
  }

  #advance(chunk: Uint8Array, count: number): void {
    this.length -= count;
    this.#offset += count;
    if (this.#offset < chunk.length) return;
    this.#offset = 0;
    this.#first += 1;
    if (this.length === 0) {
      this.#chunks.length = 0;
      this.#first = 0;
    } else if (this.#first > 32) {
      this.#chunks = this.#chunks.slice(this.#first);
      this.#first = 0;
    }
  }
}
