/**
 * Owns what this thread knows of each descriptor beyond what the kernel knows: input that was read ahead, output
 * that is still to be sent, and whether calls on it may be batched. Knows no call and no poll set.
 *
 * A descriptor is the process's, not a backend's: one that moves from a map to another takes its record along, whatever
 * backend each of them has.
 */

import type { ShutdownHow } from "../../backend/backend.js";

/** May calls on a descriptor be batched? */
export const Batching = {
  UNKNOWN: 0,
  /** It is a connected TCP socket, and non-blocking. */
  ALLOWED: 1,
  REFUSED: 2,
} as const;

/** More short reads in a row than this are not counted. */
const SHORT_READS_MAX = 255;
const NO_BYTES = new Uint8Array(0);

export class DescriptorRecord {
  /** One of {@link Batching}. */
  batching: number = Batching.UNKNOWN;
  /** How many reads in a row have taken all that had arrived: epoll(7) says so of those that return less than they could. */
  shortReads = 0;

  /** Unread input: these bytes of `unread`, which a batch may use again when it is over. */
  unread: Uint8Array = NO_BYTES;
  unreadFrom = 0;
  unreadTo = 0;
  /** Did unread input fill the batch's buffer? Then the kernel may have more of the same message. */
  hasFilledBuffer = false;
  /** What a batched call has failed with, as -errno: it comes after the unread input. The kernel does not report it again. */
  failure = 0;

  /** How much may be sent in batches before the kernel's room is queried again, in bytes of its memory. */
  room = 0;
  /** Is a send of it in the batch? */
  isDeferred = false;
  /** Has the program ended its output? */
  hasEndedOutput = false;
  /** Output that a batch accepted and the kernel refused. Retried; nothing else is sent before it. */
  pendingOutput: Uint8Array | undefined;
  /** To be shut down when {@link pendingOutput} is sent. */
  shutdownAfter: ShutdownHow | undefined;
  /** The program has closed it; to be closed when {@link pendingOutput} is sent. */
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

  /** A read that could have returned `most` bytes has returned `count`, or -errno. */
  noteRead(count: number, most: number): void {
    if (count <= 0 || count >= most) this.shortReads = 0;
    else if (this.shortReads < SHORT_READS_MAX) this.shortReads++;
  }

  /** Another file has come under the number. */
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
  /** Input of `fd` is in its record from now on, and not in the kernel. */
  inputKept(fd: number): void;
  /** {@link PollSet.update} */
  update(fd: number, interest: number): number;
}

export class Records {
  readonly #all: (DescriptorRecord | undefined)[] = [];
  /** All poll sets of this thread, of whatever backend. */
  readonly watchers = new Set<Watcher>();

  /** undefined where nothing was ever known of `fd`. */
  get(fd: number): DescriptorRecord | undefined {
    return this.#all[fd];
  }

  of(fd: number): DescriptorRecord {
    return (this.#all[fd] ??= new DescriptorRecord());
  }

  /** Forgets `fd`. */
  reset(fd: number): void {
    this.#all[fd]?.reset();
  }

  /** Says that the record of `fd` has input. */
  tellKept(fd: number): void {
    for (const watcher of this.watchers) watcher.inputKept(fd);
  }

  /** Takes `fd`, which is about to be closed, out of every poll set. */
  unwatch(fd: number): void {
    for (const watcher of this.watchers) watcher.update(fd, 0);
  }
}
