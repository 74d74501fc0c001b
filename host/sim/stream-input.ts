/**
 * Owns what one end of a byte stream has received: the bytes that nobody has read, and the urgent one among them. Knows no
 * peer, no end and no fault.
 */

import { ByteQueue } from "./bytes.js";

/** What a stream needs of its input. */
export type Input = Pick<StreamInput, keyof StreamInput>;

export class StreamInput {
  /** SO_OOBINLINE: the urgent byte is read with the others. */
  isInline = false;
  readonly #queue = new ByteQueue();
  /** Bytes since the connection began. */
  #received = 0;
  #read = 0;
  /** Where the last urgent byte is among those that are received; -1: none. */
  #urgentAt = -1;
  #urgentByte: number | "none" | "taken" = "none";

  get receivedBytes(): number {
    return this.#received;
  }

  get readBytes(): number {
    return this.#read;
  }

  /** What takes room, the urgent byte included. */
  get length(): number {
    return this.#queue.length;
  }

  /** How many bytes can be read before the call has to look for an end. */
  get unread(): number {
    return this.#queue.length - this.#skipped;
  }

  /** Can an urgent byte be taken? */
  get isUrgent(): boolean {
    return typeof this.#urgentByte === "number";
  }

  /** How many bytes a read passes over: the urgent one, when it is next. */
  get #skipped(): number {
    return this.#urgentAt === this.#read && !this.isInline && this.#queue.length > 0 ? 1 : 0;
  }

  /** Is it readable? @param lowWater SO_RCVLOWAT */
  reaches(lowWater: number): boolean {
    return this.unread >= lowWater;
  }

  /** @param urgentAt where the urgent byte of `bytes` is in the stream; -1: none */
  push(bytes: Uint8Array, urgentAt: number): void {
    if (urgentAt >= 0) this.skipUrgent();
    const first = this.#received;
    this.#queue.push(bytes);
    this.#received += bytes.length;
    if (urgentAt < 0) return;
    this.#urgentAt = urgentAt;
    this.#urgentByte = this.isInline ? "taken" : (bytes[urgentAt - first] ?? 0);
  }

  /** How many of `most` bytes are next: a read does not go across the urgent byte. */
  available(most: number): number {
    const count = Math.min(most, this.unread);
    return this.#urgentAt > this.#read ? Math.min(count, this.#urgentAt - this.#read) : count;
  }

  /** What nobody has taken out of band is lost when a read gets there, or the next one comes, as in Linux. */
  skipUrgent(): void {
    if (this.#skipped === 0) return;
    this.#queue.skip(1);
    this.#read += 1;
    this.#urgentAt = -1;
    this.#urgentByte = "none";
  }

  /** Up to `count` bytes of those that are {@link available}, after {@link skipUrgent}. */
  read(target: Uint8Array, count: number): void {
    this.#queue.read(target, count);
    this.#advance(count);
  }

  /** As an array of its own. */
  take(count: number): Uint8Array {
    const bytes = this.#queue.take(count);
    this.#advance(count);
    return bytes;
  }

  /** Reads, and leaves all of it unread. */
  peek(target: Uint8Array, count: number): void {
    this.#queue.peek(target, count, this.#skipped);
  }

  #advance(count: number): void {
    this.#read += count;
    if (typeof this.#urgentByte === "number" && this.#read > this.#urgentAt) this.#urgentByte = "none";
  }

  /** The urgent byte, which is taken; undefined where there is none. */
  takeUrgent(): number | undefined {
    const byte = this.#urgentByte;
    if (this.isInline || typeof byte !== "number") return undefined;
    this.#urgentByte = "taken";
    return byte;
  }

  clear(): void {
    this.#queue.clear();
  }
}
