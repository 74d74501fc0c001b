/**
 * Owns a chat channel's pending output, in order: bytes, sources from which bytes are taken when a send has room for
 * them, and actions to take when everything before them has been sent. Knows no channel.
 */

import { PIECES_A_SEND, SendQueue } from "../send-queue.js";
import type { Source } from "./producers.js";

/** An action to take when everything before it has been sent: close the channel, or end its writing half. */
export type Mark = "close" | "shutdown";

interface Link {
  readonly entry: SendQueue | Source | Mark;
  next: Link | undefined;
}

export class Outgoing {
  /** The bytes at the front. */
  #ready = new SendQueue();
  /** What follows them. */
  #first: Link | undefined;
  #last: Link | undefined;
  /** Bytes behind the first link. */
  #laterLength = 0;
  #filling = false;

  /** Bytes of pending output; bytes not yet taken from a source do not count. */
  get length(): number {
    return this.#ready.length + this.#laterLength;
  }

  /** Bytes that can be sent now. */
  get readyLength(): number {
    return this.#ready.length;
  }

  get isEmpty(): boolean {
    return this.#ready.length === 0 && this.#first === undefined;
  }

  /** Is there a source whose bytes have not all been taken? */
  get hasSource(): boolean {
    for (let link = this.#first; link !== undefined; link = link.next) {
      if (typeof link.entry !== "string" && !(link.entry instanceof SendQueue)) return true;
    }
    return false;
  }

  has(mark: Mark): boolean {
    let link = this.#first;
    while (link !== undefined && link.entry !== mark) link = link.next;
    return link !== undefined;
  }

  /** Is there something to send or do now? Not while a source has nothing ready. */
  get isReady(): boolean {
    if (this.#ready.length > 0) return true;
    const entry = this.#first?.entry;
    if (entry === undefined) return false;
    return typeof entry === "string" || entry instanceof SendQueue || !entry.isWaiting;
  }

  /** Are there bytes to send now, or a source that may have some? Not while an action comes first. */
  get hasBytes(): boolean {
    return this.#ready.length > 0 || (typeof this.#first?.entry === "object" && this.isReady);
  }

  /** Adds a copy of bytes. */
  push(data: Uint8Array): void {
    if (data.length === 0) return;
    let queue = this.#ready;
    if (this.#first !== undefined) {
      const last = this.#last?.entry;
      queue = last instanceof SendQueue ? last : this.#link(new SendQueue());
      this.#laterLength += data.length;
    }
    queue.pushCopy(data);
  }

  /** Adds a copy of bytes before everything else. */
  pushFront(data: Uint8Array): void {
    if (this.#ready.length === 0) this.#ready.pushCopy(data);
    else this.#ready.pushFrontCopy(data);
  }

  append(entry: Source | Mark): void {
    this.#link(entry);
  }

  /** Takes from the sources until there are `bytes` bytes, or enough pieces for a send, or no source has any ready. */
  fill(bytes: number): void {
    // A source may push, and so reenter this method.
    if (this.#filling) return;
    this.#filling = true;
    try {
      while (this.#ready.length < bytes && this.#ready.pieceCount < PIECES_A_SEND && this.#takeOne());
    } finally {
      this.#filling = false;
    }
  }

  /** How many pieces can be sent now. */
  get pieceCount(): number {
    return this.#ready.pieceCount;
  }

  /** The first piece, at most `maxBytes` of it. */
  firstPiece(maxBytes: number): Uint8Array | undefined {
    return this.#ready.first(maxBytes);
  }

  /** The pieces that one send may take, at most `maxBytes` together. */
  front(maxBytes: number): Uint8Array[] {
    return this.#ready.front(maxBytes);
  }

  drop(count: number): void {
    this.#ready.drop(count);
  }

  /** Takes the action at the front, if everything before it has been sent. */
  takeMark(): Mark | undefined {
    const entry = this.#ready.length > 0 ? undefined : this.#first?.entry;
    if (typeof entry !== "string") return undefined;
    this.#unlink();
    return entry;
  }

  /** Drops everything; sources are cancelled. */
  clear(): void {
    let link = this.#first;
    this.#ready.clear();
    this.#first = undefined;
    this.#last = undefined;
    this.#laterLength = 0;
    for (; link !== undefined; link = link.next) {
      const { entry } = link;
      if (typeof entry !== "string" && !(entry instanceof SendQueue)) entry.close();
    }
  }

  /** Takes from the first link. @returns whether there may be more. */
  #takeOne(): boolean {
    const first = this.#first;
    if (first === undefined || typeof first.entry === "string") return false;
    if (first.entry instanceof SendQueue) {
      this.#unlink();
      this.#laterLength -= first.entry.length;
      if (this.#ready.length === 0) this.#ready = first.entry;
      else this.#ready.takeFrom(first.entry);
      return true;
    }
    const piece = first.entry.next();
    // The source may have cleared everything.
    if (piece === undefined || this.#first !== first) return false;
    if (piece.length === 0) this.#unlink();
    else this.#ready.push(piece);
    return true;
  }

  #link<T extends Link["entry"]>(entry: T): T {
    const link: Link = { entry, next: undefined };
    if (this.#last === undefined) this.#first = link;
    else this.#last.next = link;
    this.#last = link;
    return entry;
  }

  #unlink(): void {
    this.#first = this.#first?.next;
    if (this.#first === undefined) this.#last = undefined;
  }
}
