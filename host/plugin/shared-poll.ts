/**
 * Owns one poll set that many guests on a thread share, and gives each of them a set of its own in front of it: an epoll set
 * and a watch for each of ten thousand guests would cost more than the guests. Knows the backend seam; knows no guest.
 *
 * A guest's set never waits: where a wait would be needed it returns -EAGAIN, and says so, so that a call that has to wait can
 * be repeated when the set is ready.
 */

import { Ready, ReadyRow, type Backend, type PollSet, type Watch } from "../backend/backend.js";

const NO_READABLE = -1;

/** What one guest watches of a descriptor. */
interface Interest {
  readonly set: GuestSet;
  bits: number;
}

export class SharedPoll {
  readonly #set: PollSet;
  readonly #interests = new Map<number, Interest[]>();
  readonly #watching = new Set<GuestSet>();
  #watch: Watch | undefined;
  #polls = 0;
  /** Those with rows that have not been taken, in the order in which they got them. */
  #ready = new Set<GuestSet>();

  constructor(backend: Backend) {
    this.#set = backend.createPollSet();
  }

  /** Has any set got rows that it has not taken? */
  get hasReady(): boolean {
    return this.#ready.size > 0;
  }

  createSet(again: number): GuestSet {
    return new GuestSet(this, again);
  }

  close(): void {
    this.#watch?.stop();
    this.#set.close();
  }

  /** For its sets. @returns 0, or -errno */
  update(set: GuestSet, fd: number, bits: number): number {
    const interests = this.#interests.get(fd) ?? [];
    const known = interests.findIndex((each) => each.set === set);
    if (known >= 0) interests.splice(known, 1);
    if (bits !== 0) interests.push({ set, bits });
    if (interests.length === 0) {
      this.#interests.delete(fd);
      return known >= 0 ? this.#set.update(fd, 0) : 0;
    }
    const union = interests.reduce((all, each) => all | each.bits, 0);
    const result = this.#set.update(fd, union);
    if (result === 0) this.#interests.set(fd, interests);
    else this.#interests.delete(fd);
    return result;
  }

  /** For its sets: is the descriptor that was added last ready at any time? Then it is not watched here. */
  takeAlways(set: GuestSet, fd: number): boolean {
    if (!this.#set.alwaysReady) return false;
    this.update(set, fd, 0);
    return true;
  }

  /** Finds what is ready, for all sets. */
  poll(): void {
    this.#polls++;
    const count = this.#set.wait(0);
    const { ready } = this.#set;
    for (let at = 0; at < count * ReadyRow.STRIDE; at += ReadyRow.STRIDE) {
      const bits = ready[at + ReadyRow.BITS] ?? 0;
      for (const { set, bits: wanted } of this.#interests.get(ready[at + ReadyRow.FD] ?? -1) ?? []) {
        const seen = bits & (wanted | Ready.HANGUP | Ready.ERROR);
        if (seen !== 0) set.report(ready, at, seen, this.#polls);
      }
    }
  }

  /** For its sets. */
  hasRows(set: GuestSet, on: boolean): void {
    if (on) this.#ready.add(set);
    else this.#ready.delete(set);
  }

  /** For its sets: watches while any of them is watched. */
  watch(set: GuestSet, on: boolean): void {
    if (on) this.#watching.add(set);
    else this.#watching.delete(set);
    if (this.#watching.size > 0) this.#watch ??= this.#set.watch(this.#wake);
    else {
      this.#watch?.stop();
      this.#watch = undefined;
    }
  }

  readonly #wake = (): void => {
    this.poll();
    const ready = this.#ready;
    this.#ready = new Set();
    for (const set of ready) set.wake();
  };
}

/** One guest's poll set. */
export class GuestSet implements PollSet {
  ready = new Int32Array(8 * ReadyRow.STRIDE);
  /** How long the last wait would have had to wait; 0 where it did not have to. Milliseconds. */
  refusedMs = 0;
  readonly #poll: SharedPoll;
  readonly #again: number;
  /** Ready at any time, with what is watched. */
  readonly #always = new Map<number, number>();
  readonly #watched = new Set<number>();
  #count = 0;
  #lastPoll = 0;
  #hadRows = false;
  #onReady: (() => void) | undefined;

  constructor(poll: SharedPoll, again: number) {
    this.#poll = poll;
    this.#again = again;
  }

  get alwaysReady(): boolean {
    return this.#always.size > 0 || this.#count > 0;
  }

  update(fd: number, interest: number): number {
    this.#drop(fd);
    const bits = interest & (Ready.READ | Ready.WRITE | Ready.PRIORITY);
    this.#always.delete(fd);
    if (bits === 0 && !this.#watched.delete(fd)) return 0;
    const result = this.#poll.update(this, fd, bits);
    if (bits === 0) return result;
    if (result === 0) this.#watched.add(fd);
    else this.#watched.delete(fd);
    if (result === 0 && this.#poll.takeAlways(this, fd)) {
      this.#watched.delete(fd);
      this.#always.set(fd, bits);
    }
    return result;
  }

  wait(timeoutMs: number): number {
    this.refusedMs = 0;
    if (this.#count === 0) this.#poll.poll();
    for (const [fd, bits] of this.#always) this.#add(fd, bits, 0, NO_READABLE);
    const count = this.#count;
    this.#count = 0;
    this.#poll.hasRows(this, false);
    if (count > 0 || timeoutMs === 0) return count;
    this.refusedMs = timeoutMs;
    return this.#again;
  }

  watch(onReady: () => void): Watch {
    this.#onReady = onReady;
    this.#poll.watch(this, true);
    return {
      setReferenced: () => undefined,
      stop: () => {
        this.#onReady = undefined;
        this.#poll.watch(this, false);
      },
    };
  }

  beginTurn(): void {}

  endTurn(): void {}

  close(): void {
    for (const fd of this.#watched) this.#poll.update(this, fd, 0);
    this.#watched.clear();
    this.#always.clear();
    this.#count = 0;
    this.#poll.hasRows(this, false);
    this.#onReady = undefined;
    this.#poll.watch(this, false);
  }

  /** For the poll: a row of what was found. */
  report(rows: Int32Array, at: number, bits: number, poll: number): void {
    const fd = rows[at + ReadyRow.FD] ?? 0;
    if (poll !== this.#lastPoll) this.#hadRows = this.#count > 0;
    this.#lastPoll = poll;
    // A poll reports a descriptor once. An error that an earlier one has taken from a socket cannot be asked for again.
    const error = this.#hadRows ? this.#drop(fd) : 0;
    this.#add(fd, bits, (rows[at + ReadyRow.ERROR] ?? 0) || error, rows[at + ReadyRow.READABLE] ?? 0);
    this.#poll.hasRows(this, true);
  }

  /** For the poll: there are rows. */
  wake(): void {
    this.#onReady?.();
  }

  #add(fd: number, bits: number, error: number, readable: number): void {
    const at = this.#count * ReadyRow.STRIDE;
    if (at + ReadyRow.STRIDE > this.ready.length) {
      const larger = new Int32Array(2 * this.ready.length);
      larger.set(this.ready);
      this.ready = larger;
    }
    this.ready[at + ReadyRow.FD] = fd;
    this.ready[at + ReadyRow.BITS] = bits;
    this.ready[at + ReadyRow.ERROR] = error;
    this.ready[at + ReadyRow.READABLE] = readable;
    this.#count++;
  }

  /** Removes the row of `fd`: what it was found to be is not so any more, or is found again. @returns its error */
  #drop(fd: number): number {
    for (let row = 0; row < this.#count; row++) {
      const at = row * ReadyRow.STRIDE;
      if (this.ready[at + ReadyRow.FD] !== fd) continue;
      const error = this.ready[at + ReadyRow.ERROR] ?? 0;
      this.#count--;
      const last = this.#count * ReadyRow.STRIDE;
      this.ready.copyWithin(at, last, last + ReadyRow.STRIDE);
      return error;
    }
    return 0;
  }
}
