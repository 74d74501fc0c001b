/**
 * Owns what one end of a Unix stream has received: the bytes that nobody has read, and the urgent one among them. Linux has
 * each urgent byte in a buffer of its own, which ends a read, and stays as a mark when the byte was taken out of band.
 * Knows no peer, no end and no fault.
 */

import { ByteQueue } from "./bytes.js";
import type { Input } from "./stream-input.js";

export class UnixInput implements Input {
  isInline = false;
  readonly #queue = new ByteQueue();
  /** Bytes since the connection began, without those that were taken out of band. */
  #received = 0;
  #read = 0;
  /** Where the last urgent byte is among those that are received; -1: none. Another one before it is a byte like any. */
  #urgentAt = -1;
  /** Where urgent bytes were that were taken, in their order. */
  #marks: number[] = [];

  get receivedBytes(): number {
    return this.#received;
  }

  get readBytes(): number {
    return this.#read;
  }

  get urgentAt(): number {
    return this.#urgentAt;
  }

  get length(): number {
    return this.#queue.length;
  }

  get unread(): number {
    return this.#queue.length;
  }

  get isUrgent(): boolean {
    return this.#urgentAt >= 0;
  }

  /** As in Linux, a mark that nobody has read is reported as well. */
  reaches(): boolean {
    return this.#queue.length > 0 || this.#marks.length > 0;
  }

  /** @param urgentAt -1: none; any other one is the last of them */
  push(bytes: Uint8Array, urgentAt: number): void {
    this.#queue.push(bytes);
    this.#received += bytes.length;
    if (urgentAt >= 0) this.#urgentAt = this.#received - 1;
  }

  /** How many bytes a read passes over that leaves all unread: the urgent one, when it is next. */
  get skipped(): number {
    return this.#urgentAt === this.#read && !this.isInline ? 1 : 0;
  }

  available(most: number): number {
    let end = this.#received;
    if (this.#urgentAt > this.#read) end = this.#urgentAt;
    else if (this.#urgentAt < 0) end = this.#marks.find((at) => at > this.#read) ?? end;
    return Math.min(most, end - this.#read - this.skipped);
  }

  skipUrgent(): void {
    this.#marks = this.#marks.filter((at) => at > this.#read);
    if (this.#urgentAt !== this.#read) return;
    this.#urgentAt = -1;
    if (this.isInline) return;
    this.#queue.skip(1);
    this.#read += 1;
  }

  read(target: Uint8Array, count: number): void {
    this.#queue.read(target, count);
    this.#advance(count);
  }

  take(count: number): Uint8Array {
    const bytes = this.#queue.take(count);
    this.#advance(count);
    return bytes;
  }

  #advance(count: number): void {
    this.#read += count;
    this.#marks = this.#marks.filter((at) => at >= this.#read);
  }

  peek(target: Uint8Array, count: number): void {
    this.#queue.peek(target, count, this.skipped);
  }

  takeUrgent(): number | undefined {
    const at = this.#urgentAt;
    if (this.isInline || at < 0) return undefined;
    this.#urgentAt = -1;
    this.#received -= 1;
    // Two next to each other are one.
    if (this.#marks.at(-1) !== at) this.#marks.push(at);
    return this.#queue.cut(at - this.#read);
  }

  clear(): void {
    this.#queue.clear();
    this.#marks.length = 0;
    this.#urgentAt = -1;
  }
}
