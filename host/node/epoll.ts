/**
 * Owns what an epoll(7) instance watches, as a {@link PollSet}, level-triggered. Knows nothing of sockets. A change costs one
 * epoll_ctl(2). A wait costs O(ready) and allocates nothing, except a larger buffer after one that came back full. Where
 * many connections are ready in a turn, it begins a batch.
 */

import { type PollSet, Ready, ReadyRow, type Watch } from "../backend/backend.js";
import { LoopError } from "../backend/errors.js";
import { roomFor } from "../backend/tables.js";
import type { Batch } from "./batch/batch.js";
import type { Watcher } from "./batch/record.js";
import { errnos } from "./constants.js";
import { EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, EVENT_FD, EVENT_TAG, EVENT_WORDS } from "./epoll-layout.js";
import { EpollInstance, FIRST_CAPACITY, WAIT_TAG } from "./epoll-instance.js";
import { KeptInput } from "./kept-input.js";
import type { Libc, LinuxCalls } from "./libc.js";
import { eventsOf, INTEREST, POLLIN, POLLNVAL, POLLOUT, type RowWriter, unblockedEventsOf } from "./readiness.js";
import { Writers } from "./writers.js";
import { watchSet } from "./waiting/descriptors.js";
import { LoopWatch, type WatchedDescriptor } from "./waiting/watch.js";

/** In {@link EpollPollSet} the number of a registration is above the bits of interest. */
const TAG_SHIFT = 3;

/** How an epoll set works. */
export interface EpollOptions {
  /** May a watch of it wait in this thread's own epoll_wait(2)? */
  readonly ownWait: boolean;
  /** See {@link PollSetOptions}. */
  readonly asksWriters: boolean;

  /** Calls are batched when at least this many connections are ready at once. Infinity: never. */
  readonly connections: number;
  /** They are batched for connections whose last reads, this many in a row, each took everything that had arrived. */
  readonly shortReads: number;
}

export class EpollPollSet implements PollSet, Watcher {
  ready: Int32Array = new Int32Array(FIRST_CAPACITY * ReadyRow.STRIDE);

  readonly #libc: Libc;
  readonly #linux: LinuxCalls;
  readonly #writeRow: RowWriter;
  readonly #batch: Batch;
  readonly #options: EpollOptions;
  /**
   * By descriptor: what the kernel watches it for (bits of interest, 0 where it does not), and above them the tag of its
   * registration, which each new one has anew. So an event of a file that had the number before is known by its tag.
   */
  #watched = new Int32Array(1024);
  /** Interest in regular files and other descriptors that epoll refuses because they never block. */
  readonly #files = new Map<number, number>();
  readonly #kept: KeptInput;
  readonly #writers: Writers;
  #isInTurn = false;
  /** Connections that the last wait has found readable and that may be read ahead. */
  #candidates = new Int32Array(FIRST_CAPACITY);
  #epoll: EpollInstance;
  #isOpen = true;
  #watch: LoopWatch | undefined;
  #watchedSet: WatchedDescriptor | undefined;

  constructor(libc: Libc, linux: LinuxCalls, writeRow: RowWriter, batch: Batch, options: EpollOptions) {
    this.#libc = libc;
    this.#linux = linux;
    this.#writeRow = writeRow;
    this.#batch = batch;
    this.#options = options;
    this.#writers = new Writers(libc);
    this.#kept = new KeptInput(batch.records, (fd) => (this.#known(fd) & Ready.READ) !== 0);
    this.#epoll = this.#instance();
    batch.records.watchers.add(this);
    batch.addUser();
  }

  get alwaysReady(): boolean {
    return this.#files.size > 0 || this.#kept.isAny || this.canAnyWrite;
  }

  get canAnyWrite(): boolean {
    this.#writers.ask(this.#epoll.fd, POLLNVAL, this.#register);
    return this.#writers.readySize > 0;
  }

  beginTurn(): void {
    if (!this.#isInTurn && this.#options.connections < Infinity) this.#batch.beginTurn();
    this.#isInTurn = true;
  }

  endTurn(): void {
    if (this.#isInTurn && this.#options.connections < Infinity) this.#batch.endTurn();
    else this.#batch.end();
    this.#isInTurn = false;
  }

  closing(fd: number, isSole: boolean): void {
    // The kernel removes a file by itself when its last descriptor is closed.
    if (this.#forget(fd) && !isSole) this.#control(EPOLL_CTL_DEL, fd, 0);
  }

  inputKept(fd: number): void {
    if (this.#kept.notice(fd)) this.#watch?.wake();
  }

  update(fd: number, interest: number): number {
    this.#epoll.dropAhead();
    const wanted = interest & INTEREST;
    const known = this.#known(fd);
    if (this.#options.asksWriters && known !== 0 && wanted !== known && wanted === (known | Ready.WRITE)) {
      this.#writers.add(fd);
      return 0;
    }
    // Of one that wanted to write, the kernel has not heard.
    if (this.#writers.delete(fd) && wanted === known) return 0;
    return this.#setWanted(fd, wanted, known);
  }

  #setWanted(fd: number, wanted: number, known: number): number {
    if (wanted === 0) {
      // The result does not matter: the kernel removes a descriptor that is closed.
      if (this.#forget(fd)) this.#control(EPOLL_CTL_DEL, fd, 0);
      return 0;
    }
    if (known === 0) this.#newTag(fd);

    // Called even if the interest is the same: the number may belong to another file now.
    const events = eventsOf(wanted);
    let result = this.#control(known === 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, events);
    if (result === -errnos.EEXIST) result = this.#control(EPOLL_CTL_MOD, fd, events);
    else if (result === -errnos.ENOENT) result = this.#control(EPOLL_CTL_ADD, fd, events);

    if (result === 0) {
      if (this.#files.size > 0) this.#files.delete(fd);
      this.#setInterest(fd, wanted);
      this.inputKept(fd);
      return 0;
    }
    this.#setInterest(fd, 0);
    if (result === -errnos.EPERM) {
      this.#files.set(fd, wanted);
      this.#watch?.wake();
      return 0;
    }
    this.#files.delete(fd);
    return result;
  }

  wait(timeoutMs: number): number {
    const found = this.#epoll.wait(this.alwaysReady ? 0 : timeoutMs, this.#isSetIdle);
    if (found < 0) return found;
    const writers = this.#writers;
    const needed = (found + this.#files.size + this.#kept.size + writers.readySize) * ReadyRow.STRIDE;
    if (this.ready.length < needed) this.ready = new Int32Array(needed * 2);

    const rows = this.ready;
    const { events } = this.#epoll;
    const { connections, shortReads } = this.#options;
    const mayBatch = this.#isInTurn && found + writers.readySize >= connections;
    let count = 0;
    let candidates = 0;
    let writing = 0;
    let isStale = false;
    for (let at = 0; at < found * EVENT_WORDS; at += EVENT_WORDS) {
      const fd = events[at + EVENT_FD] ?? 0;
      if (events[at + EVENT_TAG] === WAIT_TAG) {
        this.#epoll.passOver(fd);
        continue;
      }
      const watched = this.#watched[fd] ?? 0;
      let interest = watched & INTEREST;
      if (interest === 0 || events[at + EVENT_TAG] !== watched >>> TAG_SHIFT) {
        isStale = true;
        continue;
      }
      let seen = events[at] ?? 0;
      if (writers.readySize > 0) {
        const more = writers.take(fd);
        seen |= more;
        if (more !== 0) interest |= Ready.WRITE;
      }
      this.#writeRow(rows, count * ReadyRow.STRIDE, fd, seen, interest);
      count++;
      if (!mayBatch) continue;
      if (seen === POLLOUT) writing++;
      else if (seen === POLLIN && this.#batch.isCandidate(fd, shortReads)) this.#candidates[candidates++] = fd;
    }
    if (candidates >= connections) this.#batch.begin(this.#candidates, candidates);
    else if (mayBatch && writing + writers.readySize >= connections) this.#batch.beginSends();
    for (const fd of writers.rest()) {
      this.#writeRow(rows, count * ReadyRow.STRIDE, fd, writers.take(fd), this.#known(fd) | Ready.WRITE);
      count++;
    }
    for (const [fd, interest] of this.#files) {
      this.#writeRow(rows, count * ReadyRow.STRIDE, fd, unblockedEventsOf(interest), interest);
      count++;
    }
    if (this.#kept.size > 0) count = this.#kept.addTo(rows, count);
    if (found === this.#epoll.capacity && this.#epoll.grow()) this.#candidates = new Int32Array(this.#epoll.capacity);
    if (isStale) this.#renew();
    return count;
  }

  watch(onReady: () => void): Watch {
    if (this.#watch !== undefined) throw new LoopError("ERR_LOOP_RUNNING", "this poll set is being watched already");
    const watch = new LoopWatch(
      onReady,
      () => this.alwaysReady,
      () => {
        this.#watchedSet?.close();
        this.#watchedSet = undefined;
        this.#watch = undefined;
      },
      (on) => this.#watchedSet?.setReferenced(on),
    );
    this.#watchedSet = this.#waitFor(watch);
    this.#watch = watch;
    if (this.alwaysReady) watch.wake();
    return watch;
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#watch?.stop();
    this.endTurn();
    this.#batch.records.watchers.delete(this);
    this.#batch.removeUser();
    this.#epoll.close();
    this.#files.clear();
    this.#kept.clear();
    this.#writers.clear();
    this.#watched.fill(0);
  }

  /** What the kernel watches it for. */
  #known(fd: number): number {
    return (this.#watched[fd] ?? 0) & INTEREST;
  }

  /** Is nothing else known to be ready where some can write? */
  get #isSetIdle(): boolean {
    return this.#writers.readySize > 0 && !this.#writers.isSetReady;
  }

  readonly #register = (fd: number): boolean => {
    const known = this.#known(fd);
    return this.#setWanted(fd, known | Ready.WRITE, known) === 0;
  };

  #control(operation: number, fd: number, events: number): number {
    return this.#epoll.control(operation, fd, events, (this.#watched[fd] ?? 0) >>> TAG_SHIFT);
  }

  /** @returns whether the kernel watches it */
  #forget(fd: number): boolean {
    if (this.#files.size > 0) this.#files.delete(fd);
    this.#writers.delete(fd);
    if (this.#known(fd) === 0) return false;
    this.#setInterest(fd, 0);
    // An event of it may be among them.
    this.#epoll.dropAhead();
    return true;
  }

  /** `fd` is about to be registered. */
  #newTag(fd: number): void {
    if (fd >= this.#watched.length) {
      const larger = new Int32Array(roomFor(fd, this.#watched));
      larger.set(this.#watched);
      this.#watched = larger;
    }
    this.#watched[fd] = (this.#watched[fd] ?? 0) + (1 << TAG_SHIFT);
  }

  #setInterest(fd: number, interest: number): void {
    this.#watched[fd] = ((this.#watched[fd] ?? 0) & ~INTEREST) | interest;
  }

  /**
   * Makes the set anew, without the files that were closed under their watched numbers and are open under others: in a
   * child process that has inherited them, say. They go on reporting events, and epoll_ctl(2) can remove a file only by the
   * number under which it was watched.
   */
  #renew(): void {
    const former = this.#epoll;
    try {
      this.#epoll = this.#instance();
    } catch {
      // No descriptor is left: the next stale event tries again.
      return;
    }
    if (this.#registerAll() && this.#moveWatch()) {
      former.close();
      return;
    }
    this.#epoll.close();
    this.#epoll = former;
  }

  /** @returns whether the kernel has room for all of them a second time */
  #registerAll(): boolean {
    for (let fd = 0; fd < this.#watched.length; fd++) {
      const interest = this.#known(fd);
      if (interest === 0) continue;
      const result = this.#control(EPOLL_CTL_ADD, fd, eventsOf(interest));
      if (result === -errnos.ENOSPC || result === -errnos.ENOMEM) return false;
    }
    return true;
  }

  /** @throws OSError where no descriptor is left */
  #instance(): EpollInstance {
    return new EpollInstance(this.#libc, this.#linux, (timeoutMs) => this.#batch.beforeWait(timeoutMs));
  }

  /** @throws OSError where no descriptor is left */
  #waitFor(watch: LoopWatch): WatchedDescriptor {
    // What an earlier wait has left.
    this.#epoll.leave();
    const own = this.#options.ownWait ? this.#epoll : undefined;
    const set = watchSet(this.#libc, this.#linux, watch, this.#epoll.fd, own);
    set.setReferenced(watch.isReferenced);
    return set;
  }

  /** @returns whether the event loop waits for the new set, if it waited for the former one */
  #moveWatch(): boolean {
    if (this.#watch === undefined) return true;
    try {
      const moved = this.#waitFor(this.#watch);
      this.#watchedSet?.close();
      this.#watchedSet = moved;
      return true;
    } catch {
      return false;
    }
  }
}
