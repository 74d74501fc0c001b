/**
 * Owns what this thread knows of each descriptor and the kernel does not: unread input, pending output, and whether calls
 * on it may be batched. Knows no call and no poll set.
 *
 * Records belong to the thread, not to a backend, because descriptors belong to the process: a channel that moves to
 * another map keeps its record, even if the maps have different backends.
 */

import type { ShutdownHow } from "../../backend/backend.js";
import { roomFor } from "../../backend/tables.js";

/** May calls on a descriptor be batched? */
export const Batching = {
  UNKNOWN: 0,
  /** It is a connected, non-blocking TCP socket. */
  ALLOWED: 1,
  REFUSED: 2,
} as const;

/** How much is read ahead from one connection. If there is more, one large recv is faster. */
export const AHEAD_BYTES = 2048;

/** More short reads in a row than this are not counted. */
const SHORT_READS_MAX = 255;
const NO_BYTES = new Uint8Array(0);

export class DescriptorRecord {
  /** One of {@link Batching}. */
  batching: number = Batching.UNKNOWN;
  /**
   * How many reads in a row took everything that had arrived, those that returned less than they could (see epoll(7)), and
   * were short enough to have been read ahead.
   */
  shortReads = 0;

  /** Unread input: `unread` from `unreadFrom` to `unreadTo`. In a batch, a part of the buffer of the batch, which is reused. */
  unread: Uint8Array = NO_BYTES;
  unreadFrom = 0;
  unreadTo = 0;
  /** Did the unread input fill the batch's buffer? Then the kernel may have more. */
  hasFilledBuffer = false;
  /** The error of a batched call, as -errno, returned after the unread input. The kernel does not report it again. */
  failure = 0;

  /** How much may be sent in batches before the room must be queried again, in bytes of the kernel's memory. */
  room = 0;
  /** Is one of its sends in the batch? */
  isDeferred = false;
  /** Has the program ended its output? */
  hasEndedOutput = false;
  /** Output that a batch accepted and the kernel refused. Retried; nothing else is sent before it. */
  pendingOutput: Uint8Array | undefined;
  /** How to shut it down once {@link pendingOutput} is sent. */
  shutdownAfter: ShutdownHow | undefined;
  /** Has the program closed it? Then it is really closed once {@link pendingOutput} is sent. */
  isAbandoned = false;

  get hasInput(): boolean {
    return this.unreadFrom < this.unreadTo || this.failure !== 0;
  }

  get unreadBytes(): number {
    return this.unreadTo - this.unreadFrom;
  }

  setUnread(bytes: Uint8Array, from: number, to: number, hasFilledBuffer = false): void {
    this.hasFilledBuffer = hasFilledBuffer;
    this.unread = bytes;
    this.unreadFrom = from;
    this.unreadTo = to;
  }

  /** A read of up to `most` bytes has returned `count`, or -errno. */
  noteRead(count: number, most: number): void {
    if (!isShort(count, most)) this.shortReads = 0;
    else if (this.shortReads < SHORT_READS_MAX) this.shortReads++;
  }

  /** The number belongs to another file now. */
  reset(): void {
    this.batching = Batching.UNKNOWN;
    this.shortReads = 0;
    this.setUnread(NO_BYTES, 0, 0);
    this.failure = 0;
    this.room = 0;
    this.isDeferred = false;
    this.hasEndedOutput = false;
    this.pendingOutput = undefined;
    this.shutdownAfter = undefined;
    this.isAbandoned = false;
  }
}

/** A poll set of this thread. */
export interface Watcher {
  /** Unread input of `fd` is in its record now, and no longer in the kernel. */
  inputKept(fd: number): void;
  /** `fd` is about to be closed. `isSole`: its file is closed with it, see {@link Records.isSole}. */
  closing(fd: number, isSole: boolean): void;
}

export class Records {
  readonly #all: (DescriptorRecord | undefined)[] = [];
  /** All poll sets of this thread, of all backends. */
  readonly watchers = new Set<Watcher>();
  /** By descriptor: 1 for those of {@link isSole}. */
  #sole = new Uint16Array(1024);
  /**
   * By descriptor without a record: its short reads in a row, plus 1; 0 where they are not counted. Most connections of a
   * server are idle, and never need a record.
   */
  #counted = new Uint16Array(1024);

  /** undefined where `fd` never had a record. */
  get(fd: number): DescriptorRecord | undefined {
    return this.#all[fd];
  }

  of(fd: number): DescriptorRecord {
    return this.#all[fd] ?? this.#make(fd);
  }

  /** The record of `fd` once its last `shortReads` reads have each been short: see {@link DescriptorRecord.shortReads}. */
  afterShortReads(fd: number, shortReads: number): DescriptorRecord | undefined {
    const record = this.#all[fd];
    if (record !== undefined) return record.shortReads >= shortReads ? record : undefined;
    if (fd >= this.#counted.length) this.#counted = grown(this.#counted, fd);
    const counted = this.#counted[fd] || 1;
    this.#counted[fd] = counted;
    return counted > shortReads ? this.#make(fd) : undefined;
  }

  /** A read of up to `most` bytes from `fd`, which has no record, has returned `count`, or -errno. */
  noteRead(fd: number, count: number, most: number): void {
    const counted = this.#counted[fd] ?? 0;
    if (counted > 0) this.#counted[fd] = isShort(count, most) ? Math.min(counted, SHORT_READS_MAX) + 1 : 1;
  }

  /** Forgets `fd`. */
  reset(fd: number): void {
    this.#all[fd]?.reset();
    if (fd < this.#counted.length) this.#counted[fd] = 0;
    this.setSole(fd, false);
  }

  /**
   * Is `fd`, as far as this thread knows, the only descriptor of its file? It is while nobody has duplicated it or let
   * child processes inherit it through this library. Other code may have done so without our knowledge.
   */
  isSole(fd: number): boolean {
    return this.#sole[fd] === 1;
  }

  setSole(fd: number, isSole: boolean): void {
    if (isSole && fd >= this.#sole.length) this.#sole = grown(this.#sole, fd);
    this.#sole[fd] = Number(isSole);
  }

  /** Notifies every poll set that the record of `fd` has unread input. */
  notifyKept(fd: number): void {
    for (const watcher of this.watchers) watcher.inputKept(fd);
  }

  /** Removes `fd`, which is about to be closed, from every poll set. `isSole`: its file is closed with it. */
  unwatch(fd: number, isSole: boolean): void {
    for (const watcher of this.watchers) watcher.closing(fd, isSole);
  }

  #make(fd: number): DescriptorRecord {
    const record = new DescriptorRecord();
    record.shortReads = Math.max(0, (this.#counted[fd] ?? 0) - 1);
    this.#all[fd] = record;
    return record;
  }
}

function isShort(count: number, most: number): boolean {
  return count > 0 && count < most && count < AHEAD_BYTES;
}

/** With room for `fd`. */
function grown(table: Uint16Array<ArrayBuffer>, fd: number): Uint16Array<ArrayBuffer> {
  const larger = new Uint16Array(roomFor(fd, table));
  larger.set(table);
  return larger;
}

/** Can `fd` be a descriptor at all? */
export function isDescriptor(fd: number): boolean {
  return (fd | 0) === fd && fd >= 0;
}
