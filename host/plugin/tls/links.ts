/**
 * Owns what the host and a guest's thread tell each other of the connections between them whose TLS the host terminates: a
 * word of shared memory for each, and the record by which a connection is handed over. Knows no socket and no thread.
 *
 * Such a connection is a pair of Unix sockets. They carry bytes and half-closes; a reset, either way, passes here.
 *
 * ```
 * Int32Array  TAKEN | a word a connection: bits of Link
 * ```
 */

import type { SocketAddress } from "../../backend/backend.js";

const Link = {
  IN_USE: 1,
  /** The guest has closed its end. */
  CLOSED: 2,
  /** It did so to reset the connection: by SO_LINGER, or because it trapped. */
  RESET: 4,
  /** The connection outside was reset. */
  PEER_RESET: 8,
  /** The host has no further use for it. */
  OVER: 16,
} as const;

const FREE = Link.CLOSED | Link.OVER;
const LINKS_MAX = 32_768;
const WORDS_BEFORE = 1;

export class Links {
  /** Bytes of shared memory that they take; the operating system gives a page when it is first used. */
  static readonly BYTES = (WORDS_BEFORE + LINKS_MAX) * Int32Array.BYTES_PER_ELEMENT;

  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;
  #next = 0;

  constructor(memory = new SharedArrayBuffer(Links.BYTES)) {
    this.memory = memory;
    this.#words = new Int32Array(memory);
  }

  /** How many connections guests have taken out of the queue, modulo 2^32. */
  get taken(): number {
    return Atomics.load(this.#words, 0) >>> 0;
  }

  countTaken(): void {
    Atomics.add(this.#words, 0, 1);
  }

  /** For the one side that makes connections. @returns its number; -1 where there are too many */
  make(): number {
    for (let tried = 0; tried < LINKS_MAX; tried++) {
      const link = this.#next;
      this.#next = (link + 1) % LINKS_MAX;
      const word = this.#load(link);
      if (word !== 0 && (word & FREE) !== FREE) continue;
      Atomics.store(this.#words, WORDS_BEFORE + link, Link.IN_USE);
      return link;
    }
    return -1;
  }

  /** One that was made for nothing. */
  discard(link: number): void {
    Atomics.store(this.#words, WORDS_BEFORE + link, 0);
  }

  /** The guest closes its end: to be called before it does. */
  close(link: number, resets: boolean): void {
    this.#set(link, resets ? Link.CLOSED | Link.RESET : Link.CLOSED);
  }

  isClosed(link: number): boolean {
    return (this.#load(link) & Link.CLOSED) !== 0;
  }

  isReset(link: number): boolean {
    return (this.#load(link) & Link.RESET) !== 0;
  }

  /** The peer has reset it: to be called before the host closes its end. */
  resetByPeer(link: number): void {
    this.#set(link, Link.PEER_RESET);
  }

  isResetByPeer(link: number): boolean {
    return (this.#load(link) & Link.PEER_RESET) !== 0;
  }

  /** The host is done with it. The number is used again once the guest has closed its end as well. */
  end(link: number): void {
    this.#set(link, Link.OVER);
  }

  #load(link: number): number {
    return Atomics.load(this.#words, WORDS_BEFORE + link);
  }

  #set(link: number, bits: number): void {
    Atomics.or(this.#words, WORDS_BEFORE + link, bits);
  }
}

/** A connection for a guest to accept. */
export interface Handed {
  /** The guest's end, which is the process's: its threads share descriptors. */
  readonly fd: number;
  readonly link: number;
  /** The peer outside. */
  readonly address: SocketAddress;
}

/**
 * Records are written and read as a whole: the kernel takes one, or nothing, while few are waiting.
 *
 * ```
 * 0  i32 fd | i32 link | i32 port, -1 for a path | i32 length of the text | host or path, UTF-8
 * ```
 */
export const HANDED_BYTES = 144;
const TEXT_AT = 16;

export function writeHanded({ fd, link, address }: Handed): Uint8Array {
  const record = new Uint8Array(HANDED_BYTES);
  // A path is at most 108 bytes, an address shorter; a name of an interface that does not fit is cut.
  const text = new TextEncoder().encode(address.path ?? address.host).subarray(0, HANDED_BYTES - TEXT_AT);
  const view = new DataView(record.buffer);
  view.setInt32(0, fd, true);
  view.setInt32(4, link, true);
  view.setInt32(8, address.port ?? -1, true);
  view.setInt32(12, text.length, true);
  record.set(text, TEXT_AT);
  return record;
}

export function readHanded(record: Uint8Array): Handed {
  const view = new DataView(record.buffer, record.byteOffset, record.length);
  const port = view.getInt32(8, true);
  const text = new TextDecoder().decode(record.subarray(TEXT_AT, TEXT_AT + view.getInt32(12, true)));
  const address = port < 0 ? { path: text } : { host: text, port };
  return { fd: view.getInt32(0, true), link: view.getInt32(4, true), address };
}
