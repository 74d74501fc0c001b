/**
 * Owns poll sets: what each watches, as a list of pollables that is kept from one wait to the next, and what the poller has
 * found ready in it. Knows descriptors; knows the poller by what it is asked for.
 */

import { type PollSet, Ready, ReadyRow, type Watch } from "../backend/backend.js";
import { type Descriptor, type Descriptors, Stage } from "./descriptors.js";
import { ERRNO } from "./errors.js";
import { ignore, type Note, PollList } from "./poll-list.js";
import { readAhead } from "./streams.js";
import { advance } from "./tcp.js";

const US_PER_MS = 1000;

/** Polls for sets, and fills them. */
interface Waiter {
  wait(sets: readonly WasiPollSet[], timeoutMs: number): void;
}

/** A wait of less than a microsecond is none: see {@link PollSet.wait}. */
export function isNoTime(timeoutMs: number): boolean {
  return timeoutMs * US_PER_MS < 1;
}

/** What no pollable says: a failed connection, input that was read ahead, and a UDP socket that is not bound yet. */
function readyAnyway({ stage, peeked, peekedDatagram, udp }: Descriptor): number {
  if (stage === Stage.FAILED) return Ready.ERROR | Ready.HANGUP | Ready.READ | Ready.WRITE;
  const isReadable = peeked !== undefined || peekedDatagram !== undefined;
  return (isReadable ? Ready.READ : 0) | (udp !== undefined && stage === Stage.NEW ? Ready.WRITE : 0);
}

export class WasiPollSet implements PollSet {
  ready = new Int32Array(64 * ReadyRow.STRIDE);
  readonly alwaysReady = false;
  /** How many rows of {@link ready} the poller has filled for the next wait, some of which may be over; -1 where it has not polled. */
  collected = -1;
  /** Descriptors that are ready whatever the host says. */
  readonly known = new Set<number>();
  readonly #poller: Waiter;
  readonly #descriptors: Descriptors;
  readonly #interest = new Map<number, number>();
  readonly #watched = new Map<number, Descriptor>();
  #list: PollList | undefined;
  #isClosed = false;
  /** By descriptor: the row that it has in {@link ready}, where it has one in this wait. */
  readonly #rows: number[] = [];
  /** Has interest been added, or has a row become void, since the poller has polled? */
  #isExtended = false;
  #hasVoidRows = false;
  readonly #readable: Note;
  readonly #writable: Note;

  constructor(poller: Waiter, descriptors: Descriptors) {
    this.#poller = poller;
    this.#descriptors = descriptors;
    this.#readable = (fd) => this.#noteReadable(fd);
    this.#writable = (fd) => this.#noteWritable(fd);
  }

  update(fd: number, interest: number): number {
    if (this.#isClosed) return -ERRNO.EBADF;
    if (interest === 0) {
      if (this.#interest.delete(fd)) this.#forget(fd);
      return 0;
    }
    const descriptor = this.#descriptors.at(fd);
    if (descriptor === undefined) return -ERRNO.EBADF;
    if (this.#interest.get(fd) === interest && this.#watched.get(fd) === descriptor) return 0;
    if (this.#watched.get(fd) !== descriptor) this.#forget(fd);
    else this.#keepOfRow(fd, interest | Ready.ERROR | Ready.HANGUP);
    this.#interest.set(fd, interest);
    this.#watched.set(fd, descriptor);
    descriptor.watchers.add(this);
    this.#list = undefined;
    this.#isExtended = true;
    return 0;
  }

  #forget(fd: number): void {
    this.#keepOfRow(fd, 0);
    this.#rows[fd] = 0;
    this.#watched.get(fd)?.watchers.delete(this);
    this.#watched.delete(fd);
    this.#list = undefined;
  }

  /** What has been found ready already, and is not watched any more. */
  #keepOfRow(fd: number, bits: number): void {
    const row = this.#rows[fd] ?? 0;
    if (row === 0) return;
    const at = (row - 1) * ReadyRow.STRIDE + ReadyRow.BITS;
    this.ready[at] = (this.ready[at] ?? 0) & bits;
    this.#hasVoidRows = true;
  }

  /** See {@link Descriptor.changed}. */
  changed(): void {
    this.#list = undefined;
  }

  wait(timeoutMs: number): number {
    if (this.#isClosed) return -ERRNO.EBADF;
    if (this.collected < 0 || this.#isExtended || !isNoTime(timeoutMs)) this.#poller.wait([this], timeoutMs);
    for (let i = 0; i < this.collected; i++) this.#rows[this.ready[i * ReadyRow.STRIDE] ?? 0] = 0;
    const count = this.#hasVoidRows ? this.#compact() : this.collected;
    this.collected = -1;
    return count;
  }

  /** The poller begins to poll for the next wait. What is there is kept: a host may not report it again at once. */
  begin(): void {
    this.collected = Math.max(this.collected, 0);
    this.#isExtended = false;
    for (const fd of this.known) {
      const descriptor = this.#watched.get(fd);
      if (descriptor === undefined || readyAnyway(descriptor) === 0) this.known.delete(fd);
    }
  }

  /** Leaves out the rows of which nothing is watched any more. @returns how many are left */
  #compact(): number {
    const { ready } = this;
    let count = 0;
    for (let i = 0; i < this.collected; i++) {
      const row = i * ReadyRow.STRIDE;
      if (ready[row + ReadyRow.BITS] === 0) continue;
      ready.copyWithin(count * ReadyRow.STRIDE, row, row + ReadyRow.STRIDE);
      count += 1;
    }
    this.#hasVoidRows = false;
    return count;
  }

  /** What is to be polled. */
  list(): PollList {
    this.#list ??= this.#makeList();
    return this.#list;
  }

  #makeList(): PollList {
    const list = new PollList();
    this.known.clear();
    for (const [fd, interest] of this.#interest) {
      const descriptor = this.#watched.get(fd);
      if (descriptor === undefined || this.#descriptors.at(fd) !== descriptor) continue;
      if ((readyAnyway(descriptor) & (interest | Ready.ERROR)) !== 0) this.known.add(fd);
      if ((interest & Ready.READ) !== 0) {
        const { reading } = descriptor;
        if (reading !== undefined) list.add(reading, this.#readable, fd);
      }
      // A connection goes on to be made whatever it is watched for.
      const isConnecting = descriptor.stage === Stage.CONNECTING;
      if (isConnecting || ((interest & Ready.WRITE) !== 0 && !descriptor.ends)) {
        const { writing } = descriptor;
        if (writing !== undefined) list.add(writing, this.#writable, fd);
      }
    }
    return list;
  }

  #noteReadable(fd: number): boolean {
    const descriptor = this.#watched.get(fd);
    if (descriptor?.tcp !== undefined && descriptor.stage === Stage.OPEN) {
      if (!readAhead(descriptor)) return false;
      // Ready until it is read, whatever the host says; other sets that watch it learn so.
      this.known.add(fd);
      if (descriptor.watchers.size > 1) descriptor.changed();
    }
    this.#add(fd, Ready.READ);
    return true;
  }

  #noteWritable(fd: number): boolean {
    const descriptor = this.#watched.get(fd);
    const interest = this.#interest.get(fd) ?? 0;
    if (descriptor?.stage === Stage.CONNECTING) {
      advance(descriptor);
      if (descriptor.stage === Stage.CONNECTING) return false;
      if (descriptor.stage === Stage.FAILED) {
        this.#addFailed(fd, descriptor);
        return true;
      }
      // What has come by now is reported with the connection.
      if ((interest & Ready.READ) !== 0) this.#noteReadable(fd);
    }
    if ((interest & Ready.WRITE) !== 0) this.#add(fd, Ready.WRITE);
    return true;
  }

  collectKnown(): void {
    for (const fd of this.known) {
      const descriptor = this.#watched.get(fd);
      if (descriptor?.stage === Stage.FAILED) this.#addFailed(fd, descriptor);
      else if (descriptor !== undefined) this.#add(fd, readyAnyway(descriptor) & (this.#interest.get(fd) ?? 0));
    }
  }

  #addFailed(fd: number, descriptor: Descriptor): void {
    const interest = this.#interest.get(fd) ?? 0;
    const row = this.#add(fd, Ready.ERROR | Ready.HANGUP | (interest & (Ready.READ | Ready.WRITE)));
    this.ready[row + ReadyRow.ERROR] = descriptor.error;
    this.ready[row + ReadyRow.READABLE] = 0;
    descriptor.error = 0;
  }

  /** @returns where its row is */
  #add(fd: number, bits: number): number {
    const found = this.#rows[fd] ?? 0;
    if (found > 0) {
      const at = (found - 1) * ReadyRow.STRIDE + ReadyRow.BITS;
      this.ready[at] = (this.ready[at] ?? 0) | bits;
      return at - ReadyRow.BITS;
    }
    const row = this.collected * ReadyRow.STRIDE;
    if (row === this.ready.length) {
      const larger = new Int32Array(2 * row);
      larger.set(this.ready);
      this.ready = larger;
    }
    const { ready } = this;
    ready[row + ReadyRow.FD] = fd;
    ready[row + ReadyRow.BITS] = bits;
    ready[row + ReadyRow.ERROR] = 0;
    ready[row + ReadyRow.READABLE] = -1;
    this.collected += 1;
    this.#rows[fd] = this.collected;
    return row;
  }

  /** The event loop of a program waits for the sets of its loops by itself. */
  watch(onReady: () => void): Watch {
    this.onReady = onReady;
    return { setReferenced: ignore, stop: () => (this.onReady = undefined) };
  }

  onReady: (() => void) | undefined;

  beginTurn(): void {}

  endTurn(): void {}

  close(): void {
    for (const fd of this.#watched.keys()) this.#forget(fd);
    this.#interest.clear();
    this.#isClosed = true;
  }
}
