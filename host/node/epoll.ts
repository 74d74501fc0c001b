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
import { EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, EVENT_FD, EVENT_WORDS } from "./epoll-layout.js";
import { KeptInput } from "./kept-input.js";
import type { Libc, LinuxCalls } from "./libc.js";
import { eventsOf, INTEREST, POLLIN, type RowWriter, timeoutOf, unblockedEventsOf } from "./readiness.js";
import { watchSet } from "./waiting/descriptors.js";
import { waitInSlices } from "./waiting/slices.js";
import { LoopWatch } from "./waiting/watch.js";

const FIRST_CAPACITY = 1024;
const LAST_CAPACITY = 65536;

/** When calls are batched. */
export interface BatchLimits {
  /** When at least this many connections are ready at once. Infinity: never. */
  readonly connections: number;
  /** For connections whose last reads, this many in a row, each took everything that had arrived. */
  readonly shortReads: number;
}

export class EpollPollSet implements PollSet, Watcher {
  ready: Int32Array = new Int32Array(FIRST_CAPACITY * ReadyRow.STRIDE);

  readonly #libc: Libc;
  readonly #linux: LinuxCalls;
  readonly #writeRow: RowWriter;
  readonly #batch: Batch;
  readonly #limits: BatchLimits;
  readonly #event = new Uint32Array(EVENT_WORDS);
  #events = new Int32Array(FIRST_CAPACITY * EVENT_WORDS);
  #capacity = FIRST_CAPACITY;
  /** By descriptor: what the kernel watches it for; 0 where it does not. */
  #interest = new Uint8Array(1024);
  /** Interest in regular files and other descriptors that epoll refuses because they never block. */
  readonly #files = new Map<number, number>();
  readonly #kept: KeptInput;
  #isInTurn = false;
  /** Connections that the last wait has found readable and that may be read ahead. */
  #candidates = new Int32Array(FIRST_CAPACITY);
  #epollFd: number;
  #watch: LoopWatch | undefined;

  constructor(libc: Libc, linux: LinuxCalls, writeRow: RowWriter, batch: Batch, limits: BatchLimits) {
    this.#libc = libc;
    this.#linux = linux;
    this.#writeRow = writeRow;
    this.#batch = batch;
    this.#limits = limits;
    this.#kept = new KeptInput(batch.records, (fd) => ((this.#interest[fd] ?? 0) & Ready.READ) !== 0);
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

  inputKept(fd: number): void {
    if (this.#kept.notice(fd)) this.#watch?.wake();
  }

  update(fd: number, interest: number): number {
    const wanted = interest & INTEREST;
    const known = this.#interest[fd] ?? 0;
    if (wanted === 0) {
      this.#files.delete(fd);
      if (known !== 0) {
        this.#interest[fd] = 0;
        // The result does not matter: the kernel removes a descriptor that is closed.
        this.#control(EPOLL_CTL_DEL, fd, 0);
      }
      return 0;
    }

    // Called even if the interest is the same: the number may belong to another file now.
    const events = eventsOf(wanted);
    let result = this.#control(known === 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, events);
    if (result === -errnos.EEXIST) result = this.#control(EPOLL_CTL_MOD, fd, events);
    else if (result === -errnos.ENOENT) result = this.#control(EPOLL_CTL_ADD, fd, events);

    if (result === 0) {
      this.#files.delete(fd);
      this.#remember(fd, wanted);
      this.inputKept(fd);
      return 0;
    }
    if (known !== 0) this.#interest[fd] = 0;
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
    const timeout = this.alwaysReady ? 0 : timeoutOf(waitMs);
    let found = waitInSlices(this.#epollWait, timeout);
    if (found < 0) {
      const errno = this.#libc.errno();
      if (errno !== errnos.EINTR) return -errno;
      found = 0;
    }
    const needed = (found + this.#files.size + this.#kept.size) * ReadyRow.STRIDE;
    if (this.ready.length < needed) this.ready = new Int32Array(needed * 2);

    const rows = this.ready;
    const events = this.#events;
    const { connections, shortReads } = this.#limits;
    const mayBatch = this.#isInTurn && found >= connections;
    let count = 0;
    let candidates = 0;
    for (let at = 0; at < found * EVENT_WORDS; at += EVENT_WORDS) {
      const fd = events[at + EVENT_FD] ?? 0;
      const interest = this.#interest[fd] ?? 0;
      // Closed by other code, while a duplicate keeps its file open.
      if (interest === 0) continue;
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
    return count;
  }

  watch(onReady: () => void): Watch {
    if (this.#watch !== undefined) throw new LoopError("ERR_LOOP_RUNNING", "this poll set is being watched already");
    const watch = new LoopWatch(
      onReady,
      () => this.alwaysReady,
      () => {
        descriptor.close();
        this.#watch = undefined;
      },
      (on) => descriptor.setReferenced(on),
    );
    const descriptor = watchSet(this.#libc, this.#linux, watch, this.#epollFd);
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
    this.#interest.fill(0);
  }

  readonly #epollWait = (timeoutMs: number): number =>
    this.#linux.epoll_wait(this.#epollFd, this.#events, this.#capacity, timeoutMs);

  #control(operation: number, fd: number, events: number): number {
    this.#event[0] = events;
    this.#event[EVENT_FD] = fd;
    return this.#linux.epoll_ctl(this.#epollFd, operation, fd, this.#event) < 0 ? -this.#libc.errno() : 0;
  }

  #remember(fd: number, interest: number): void {
    if (fd >= this.#interest.length) {
      const larger = new Uint8Array(Math.max(fd + 1, this.#interest.length * 2));
      larger.set(this.#interest);
      this.#interest = larger;
    }
    this.#interest[fd] = interest;
  }

  /** The buffer came back full: more may be ready than it shows. */
  #grow(): void {
    this.#capacity *= 2;
    this.#events = new Int32Array(this.#capacity * EVENT_WORDS);
    this.#candidates = new Int32Array(this.#capacity);
  }
}
