/**
 * Owns an epoll(7) instance as a {@link PollSet}, level-triggered. Knows nothing of sockets. A change costs one
 * epoll_ctl(2). A wait costs O(ready) and allocates nothing, except a larger buffer after one that came back full. Where
 * many connections are ready in a turn, it begins a batch.
 */

import { type PollSet, Ready, ReadyRow, type Watch } from "../backend/backend.js";
import { LoopError, OSError } from "../backend/errors.js";
import type { Batch } from "./batch/batch.js";
import type { Watcher } from "./batch/record.js";
import { errnos, errorCode, SOCK_CLOEXEC } from "./constants.js";
import { EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, EVENT_FD, EVENT_TAG, EVENT_WORDS } from "./epoll-layout.js";
import { KeptInput } from "./kept-input.js";
import type { Libc, LinuxCalls } from "./libc.js";
import { eventsOf, INTEREST, POLLIN, type RowWriter, timeoutOf, unblockedEventsOf } from "./readiness.js";
import { watchSet } from "./waiting/descriptors.js";
import { Found, type OwnSet } from "./waiting/own-wait.js";
import { waitInSlices } from "./waiting/slices.js";
import { LoopWatch, type WatchedDescriptor } from "./waiting/watch.js";

const FIRST_CAPACITY = 1024;
const LAST_CAPACITY = 65536;
/** In {@link EpollPollSet} the number of a registration is above the bits of interest. */
const TAG_SHIFT = 3;
/** The tag of what a watch puts into the set; no registration of a channel's descriptor has it. */
const WATCH_TAG = -1;

/** How an epoll set works. */
export interface EpollOptions {
  /** May a watch of it wait in this thread's own epoll_wait(2)? */
  readonly ownWait: boolean;

  /** Calls are batched when at least this many connections are ready at once. Infinity: never. */
  readonly connections: number;
  /** They are batched for connections whose last reads, this many in a row, each took everything that had arrived. */
  readonly shortReads: number;
}

export class EpollPollSet implements PollSet, Watcher, OwnSet {
  ready: Int32Array = new Int32Array(FIRST_CAPACITY * ReadyRow.STRIDE);

  readonly #libc: Libc;
  readonly #linux: LinuxCalls;
  readonly #writeRow: RowWriter;
  readonly #batch: Batch;
  readonly #options: EpollOptions;
  /** As large as V8 keeps outside of its heap, where it does not move. */
  readonly #event = new Uint32Array(32);
  readonly #eventAt: number;
  #events = new Int32Array(FIRST_CAPACITY * EVENT_WORDS);
  #eventsAt: number;
  #capacity = FIRST_CAPACITY;
  /**
   * By descriptor: what the kernel watches it for (bits of interest, 0 where it does not), and above them the tag of its
   * registration, which each new one has anew. So an event of a file that had the number before is known by its tag.
   */
  #watched = new Int32Array(1024);
  /** Interest in regular files and other descriptors that epoll refuses because they never block. */
  readonly #files = new Map<number, number>();
  readonly #kept: KeptInput;
  #isInTurn = false;
  /** Connections that the last wait has found readable and that may be read ahead. */
  #candidates = new Int32Array(FIRST_CAPACITY);
  #epollFd: number;
  #watch: LoopWatch | undefined;
  #watchedSet: WatchedDescriptor | undefined;
  /** The epoll set of the host's event loop and its alarm, while they are in this one; otherwise -1. */
  #hostFd = -1;
  #alarmFd = -1;
  /** How many events a wait of the watch has found for the next wait; -1 where there was none. */
  #ahead = -1;

  constructor(libc: Libc, linux: LinuxCalls, writeRow: RowWriter, batch: Batch, options: EpollOptions) {
    this.#libc = libc;
    this.#linux = linux;
    this.#writeRow = writeRow;
    this.#batch = batch;
    this.#options = options;
    this.#eventAt = Number(libc.addressOf(this.#event));
    this.#eventsAt = Number(libc.addressOf(this.#events));
    this.#kept = new KeptInput(batch.records, (fd) => ((this.#watched[fd] ?? 0) & Ready.READ) !== 0);
    this.#epollFd = linux.epoll_create1(SOCK_CLOEXEC);
    if (this.#epollFd < 0) {
      const errno = libc.errno();
      throw new OSError(errorCode(-errno), { errno: -errno, syscall: "epoll_create1" });
    }
    batch.records.watchers.add(this);
    batch.addUser();
  }

  get alwaysReady(): boolean {
    return this.#files.size > 0 || this.#kept.isAny;
  }

  beginTurn(): void {
    this.#isInTurn = true;
  }

  endTurn(): void {
    this.#isInTurn = false;
    this.#batch.end();
  }

  closing(fd: number, isSole: boolean): void {
    // The kernel removes a file by itself when its last descriptor is closed.
    if (this.#forget(fd) && !isSole) this.#control(EPOLL_CTL_DEL, fd, 0);
  }

  inputKept(fd: number): void {
    if (this.#kept.notice(fd)) this.#watch?.wake();
  }

  update(fd: number, interest: number): number {
    this.#ahead = -1;
    const wanted = interest & INTEREST;
    const known = (this.#watched[fd] ?? 0) & INTEREST;
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
    const waitMs = this.#batch.beforeWait(timeoutMs);
    let found = this.#ahead;
    this.#ahead = -1;
    if (found < 0) found = waitInSlices(this.#epollWait, this.alwaysReady ? 0 : timeoutOf(waitMs));
    if (found < 0) {
      const errno = this.#libc.errno();
      if (errno !== errnos.EINTR) return -errno;
      found = 0;
    }
    const needed = (found + this.#files.size + this.#kept.size) * ReadyRow.STRIDE;
    if (this.ready.length < needed) this.ready = new Int32Array(needed * 2);

    const rows = this.ready;
    const events = this.#events;
    const { connections, shortReads } = this.#options;
    const mayBatch = this.#isInTurn && found >= connections;
    let count = 0;
    let candidates = 0;
    let isStale = false;
    for (let at = 0; at < found * EVENT_WORDS; at += EVENT_WORDS) {
      const fd = events[at + EVENT_FD] ?? 0;
      if (events[at + EVENT_TAG] === WATCH_TAG) continue;
      const watched = this.#watched[fd] ?? 0;
      const interest = watched & INTEREST;
      if (interest === 0 || events[at + EVENT_TAG] !== watched >>> TAG_SHIFT) {
        isStale = true;
        continue;
      }
      const seen = events[at] ?? 0;
      this.#writeRow(rows, count * ReadyRow.STRIDE, fd, seen, interest);
      count++;
      if (mayBatch && seen === POLLIN && this.#batch.isCandidate(fd, shortReads)) this.#candidates[candidates++] = fd;
    }
    if (candidates >= connections) this.#batch.begin(this.#candidates, candidates);
    for (const [fd, interest] of this.#files) {
      this.#writeRow(rows, count * ReadyRow.STRIDE, fd, unblockedEventsOf(interest), interest);
      count++;
    }
    if (this.#kept.size > 0) count = this.#kept.addTo(rows, count);
    if (found === this.#capacity && found < LAST_CAPACITY) this.#grow();
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
    if (this.#epollFd < 0) return;
    this.#watch?.stop();
    this.endTurn();
    this.#batch.records.watchers.delete(this);
    this.#batch.removeUser();
    this.#libc.close(this.#epollFd);
    this.#epollFd = -1;
    this.#files.clear();
    this.#kept.clear();
    this.#watched.fill(0);
  }

  /** See {@link OwnSet}. */
  join(hostFd: number, alarmFd: number): boolean {
    if (this.#control(EPOLL_CTL_ADD, hostFd, POLLIN, WATCH_TAG) < 0) return false;
    this.#hostFd = hostFd;
    this.#alarmFd = alarmFd;
    if (this.#control(EPOLL_CTL_ADD, alarmFd, POLLIN, WATCH_TAG) === 0) return true;
    this.leave();
    return false;
  }

  /** See {@link OwnSet}. */
  leave(): void {
    if (this.#hostFd >= 0) {
      this.#control(EPOLL_CTL_DEL, this.#hostFd, 0);
      this.#control(EPOLL_CTL_DEL, this.#alarmFd, 0);
    }
    this.#hostFd = -1;
    this.#alarmFd = -1;
    this.#ahead = -1;
  }

  /** See {@link OwnSet}. */
  waitAhead(mayBlock: boolean): number {
    const waitMs = this.#batch.beforeWait(mayBlock ? Infinity : 0);
    const found = this.#epollWait(timeoutOf(waitMs));
    // An error is reported by the next wait of a turn.
    if (found < 0) return this.#libc.errno() === errnos.EINTR ? 0 : Found.OWN;
    const events = this.#events;
    let kinds = 0;
    let own = found;
    for (let at = 0; at < found * EVENT_WORDS; at += EVENT_WORDS) {
      if (events[at + EVENT_TAG] !== WATCH_TAG) continue;
      kinds |= events[at + EVENT_FD] === this.#hostFd ? Found.HOST : Found.ALARM;
      own -= 1;
    }
    if (own === 0) return kinds;
    this.#ahead = found;
    return kinds | Found.OWN;
  }

  /** See {@link OwnSet}. */
  dropAhead(): void {
    this.#ahead = -1;
  }

  readonly #epollWait = (timeoutMs: number): number =>
    this.#linux.epoll_wait(this.#epollFd, this.#eventsAt, this.#capacity, timeoutMs);

  #control(operation: number, fd: number, events: number, tag = (this.#watched[fd] ?? 0) >>> TAG_SHIFT): number {
    this.#event[0] = events;
    this.#event[EVENT_FD] = fd;
    this.#event[EVENT_TAG] = tag;
    return this.#linux.epoll_ctl(this.#epollFd, operation, fd, this.#eventAt) < 0 ? -this.#libc.errno() : 0;
  }

  /** @returns whether the kernel watches it */
  #forget(fd: number): boolean {
    if (this.#files.size > 0) this.#files.delete(fd);
    if (((this.#watched[fd] ?? 0) & INTEREST) === 0) return false;
    this.#setInterest(fd, 0);
    // An event of it may be among them.
    this.#ahead = -1;
    return true;
  }

  /** `fd` is about to be registered. */
  #newTag(fd: number): void {
    if (fd >= this.#watched.length) {
      const larger = new Int32Array(Math.max(fd + 1, this.#watched.length * 2));
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
    const former = this.#epollFd;
    const renewed = this.#linux.epoll_create1(SOCK_CLOEXEC);
    // No descriptor is left: the next stale event tries again.
    if (renewed < 0) return;
    this.#epollFd = renewed;
    if (!this.#registerAll() || !this.#moveWatch()) {
      this.#epollFd = former;
      this.#libc.close(renewed);
      return;
    }
    this.#libc.close(former);
  }

  /** @returns whether the kernel has room for all of them a second time */
  #registerAll(): boolean {
    for (let fd = 0; fd < this.#watched.length; fd++) {
      const interest = (this.#watched[fd] ?? 0) & INTEREST;
      if (interest === 0) continue;
      const result = this.#control(EPOLL_CTL_ADD, fd, eventsOf(interest));
      if (result === -errnos.ENOSPC || result === -errnos.ENOMEM) return false;
    }
    return true;
  }

  /** @throws OSError where no descriptor is left */
  #waitFor(watch: LoopWatch): WatchedDescriptor {
    const own = this.#options.ownWait ? this : undefined;
    const set = watchSet(this.#libc, this.#linux, watch, this.#epollFd, own);
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

  /** The buffer came back full: more may be ready than it shows. */
  #grow(): void {
    this.#capacity *= 2;
    this.#events = new Int32Array(this.#capacity * EVENT_WORDS);
    this.#eventsAt = Number(this.#libc.addressOf(this.#events));
    this.#candidates = new Int32Array(this.#capacity);
  }
}
