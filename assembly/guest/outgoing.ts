/**
 * Owns what a chat channel has still to send, in order: bytes, producers that bytes are taken from when a send has room
 * for them, and what is to be done when all before it is sent. Knows no channel.
 */

import { SendQueue } from "./send-queue";
import { NO_BYTES } from "./endpoint";
import { hasError, raise, takeError } from "./errors";

/** asynchat's producer: gives its output piece by piece. */
export interface Producer {
  /** The next piece; an empty one ends it. */
  more(): Uint8Array;
}

/** Gives bytes in pieces of `bufferSize`. asynchat.simple_producer. */
export class SimpleProducer implements Producer {
  private data: Uint8Array;
  private bufferSize: i32;

  constructor(data: Uint8Array, bufferSize: i32 = 512) {
    this.data = data;
    this.bufferSize = max(1, bufferSize);
  }

  more(): Uint8Array {
    const data = this.data;
    const piece = data.subarray(0, min(this.bufferSize, data.length));
    this.data = data.subarray(piece.length);
    return piece;
  }
}

/** What is to be done when all before it is sent. */
export namespace Mark {
  export const NONE: i32 = 0;
  /** Close the channel. */
  export const CLOSE: i32 = 1;
  /** End its writing half. */
  export const SHUTDOWN: i32 = 2;
}

/** One of the three. */
class Link {
  next: Link | null = null;
  mark: i32 = Mark.NONE;
  producer: Producer | null = null;
  queue: SendQueue | null = null;
}

export class Outgoing {
  /** Bytes that are next. */
  private queue: SendQueue = new SendQueue();
  /** What comes after them. */
  private first: Link | null = null;
  private last: Link | null = null;
  /** Bytes behind the first link. */
  private laterLength: i32 = 0;
  private filling: bool = false;

  /** Bytes that wait; what a producer still has does not count. */
  get length(): i32 {
    return this.queue.length + this.laterLength;
  }

  /** Bytes that can be sent now, and where they are. */
  get readyLength(): i32 {
    return this.queue.length;
  }

  get start(): usize {
    return this.queue.start;
  }

  get isEmpty(): bool {
    return this.queue.length == 0 && this.first === null;
  }

  /** Is the channel to be closed when everything is sent? */
  get hasClose(): bool {
    let link = this.first;
    while (link !== null && link.mark != Mark.CLOSE) link = link.next;
    return link !== null;
  }

  /** Adds a copy of bytes. */
  push(at: usize, length: i32): void {
    if (length == 0) return;
    if (this.first === null) {
      this.queue.push(at, length);
      return;
    }
    const last = this.last!;
    let queue = last.queue;
    if (queue === null) {
      queue = new SendQueue();
      const link = new Link();
      link.queue = queue;
      this.append(link);
    }
    queue.push(at, length);
    this.laterLength += length;
  }

  pushProducer(producer: Producer): void {
    const link = new Link();
    link.producer = producer;
    this.append(link);
  }

  pushMark(mark: i32): void {
    const link = new Link();
    link.mark = mark;
    this.append(link);
  }

  /** Takes bytes from the producers until there are `bytes` of them, or no more. @returns whether no producer failed */
  fill(bytes: i32): bool {
    // A producer may push, and so come here again.
    if (this.filling) return true;
    // What the caller's callback failed with before is no failure of a producer, and counts before one.
    const earlier = takeError();
    this.filling = true;
    while (this.queue.length < bytes && this.takeOne()) {}
    this.filling = false;
    const isFilled = !hasError();
    if (earlier !== null) {
      takeError();
      raise(earlier);
    }
    return isFilled;
  }

  drop(count: i32): void {
    this.queue.drop(count);
  }

  /** What is to be done now that all before it is sent, if that is next. */
  takeMark(): i32 {
    const first = this.first;
    if (this.queue.length > 0 || first === null || first.mark == Mark.NONE) return Mark.NONE;
    this.unlink(first);
    return first.mark;
  }

  /** Drops everything. */
  clear(): void {
    this.queue.clear();
    this.first = null;
    this.last = null;
    this.laterLength = 0;
  }

  /** Takes from the first link. @returns whether there may be more. */
  private takeOne(): bool {
    const first = this.first;
    if (first === null || first.mark != Mark.NONE) return false;
    const later = first.queue;
    if (later !== null) {
      this.unlink(first);
      this.laterLength -= later.length;
      if (this.queue.length == 0) this.queue = later;
      else this.queue.push(later.start, later.length);
      return true;
    }
    const producer = first.producer;
    const piece = producer === null ? NO_BYTES : producer.more();
    // The producer may have cleared everything. One that failed is called again by the next send.
    if (this.first !== first || hasError()) return false;
    if (piece.length == 0) this.unlink(first);
    else this.queue.push(piece.dataStart, piece.length);
    return true;
  }

  private append(link: Link): void {
    const last = this.last;
    if (last === null) this.first = link;
    else last.next = link;
    this.last = link;
  }

  private unlink(first: Link): void {
    this.first = first.next;
    if (first.next === null) this.last = null;
  }
}
