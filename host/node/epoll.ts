/**
 * Owns an epoll(7) instance as a {@link PollSet}. Knows nothing of sockets. Level-triggered, as far as its user can see: a
 * change costs one epoll_ctl(2), a wait costs O(ready) and allocates nothing but a larger buffer after one that came back
 * full. What is done for many connections together is steady.ts's.
 */

import { type PollSet, Ready, READY_STRIDE, type Watch } from "../backend/backend.js";
import { LoopError, OSError } from "../backend/errors.js";
import { errnos, errorCode, type PlatformConstants, SOCK_CLOEXEC } from "./constants.js";
import { EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, EVENT_FD, EVENT_WORDS } from "./epoll-layout.js";
import { grown } from "./grown.js";
import type { Libc, LinuxCalls } from "./libc.js";
import { eventsOf, INTEREST, POLLIN, POLLOUT, type RowWriter, timeoutOf, unblockedEventsOf } from "./readiness.js";
import { Steady } from "./batch/steady.js";
import type { Streams } from "./batch/streams.js";
import { watchSet } from "./waiting/descriptors.js";
import { waitInSlices } from "./waiting/slices.js";
import { LoopWatch } from "./waiting/watch.js";

const FIRST_CAPACITY = 1024;
const LAST_CAPACITY = 65536;

export class EpollPollSet implements PollSet {
  ready: Int32Array = new Int32Array(FIRST_CAPACITY * READY_STRIDE);

  readonly #libc: Libc;
  readonly #linux: LinuxCalls;
  readonly #writeRow: RowWriter;
  readonly #streams: Streams;
  readonly #steady: Steady;
  readonly #onClose: (set: PollSet) => void;
  readonly #event = new Uint32Array(EVENT_WORDS);
  #events = new Int32Array(FIRST_CAPACITY * EVENT_WORDS);
  #capacity = FIRST_CAPACITY;
  /** What the kernel has been told of each descriptor; 0 for nothing. */
  #interest = new Uint8Array(1024);
  /** Interest in descriptors that epoll refuses because they never block. */
  readonly #files = new Map<number, number>();
  #epollFd: number;
  #watch: LoopWatch | undefined;

  /** @param batchMin from how many ready connections on what is done for them is done together */
  constructor(
    libc: Libc,
    linux: LinuxCalls,
    constants: PlatformConstants,
    writeRow: RowWriter,
    streams: Streams,
    batchMin: number,
    onClose: (set: PollSet) => void,
  ) {
    this.#libc = libc;
    this.#linux = linux;
    this.#writeRow = writeRow;
    this.#streams = streams;
    this.#steady = new Steady(libc, linux, constants, streams, batchMin, {
      levelEvents: (fd) => this.#levelEvents(fd, this.#interest[fd] ?? 0),
      modify: (fd, events) => this.#control(EPOLL_CTL_MOD, fd, events),
    });
    this.#onClose = onClose;
    this.#epollFd = linux.epoll_create1(SOCK_CLOEXEC);
    if (this.#epollFd < 0) {
      const errno = libc.errno();
      throw new OSError(errorCode(-errno), { errno: -errno, syscall: "epoll_create1" });
    }
  }

  get alwaysReady(): boolean {
    if (this.#files.size > 0) return true;
    if (this.#streams.unread.size === 0) return false;
    for (const fd of this.#streams.unread.fds()) if (this.#reads(fd)) return true;
    return false;
  }

  beginBatch(): void {
    this.#steady.begin();
  }

  endBatch(): void {
    this.#steady.end();
  }

  update(fd: number, interest: number): number {
    const wanted = interest & INTEREST;
    const known = this.#interest[fd] ?? 0;
    this.#steady.forget(fd, wanted === 0);
    if (wanted === 0) {
      this.#files.delete(fd);
      if (known !== 0) {
        this.#interest[fd] = 0;
        // A descriptor that is closed already left the set by itself. One that owes something stays until it is sent.
        if (this.#streams.owed.has(fd)) this.#control(EPOLL_CTL_MOD, fd, POLLOUT);
        else this.#control(EPOLL_CTL_DEL, fd, 0);
      }
      return 0;
    }

    // Asked even if nothing seems changed: another descriptor may have come under the number since.
    const events = this.#levelEvents(fd, wanted);
    let result = this.#control(known === 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, events);
    if (result === -errnos.EEXIST) result = this.#control(EPOLL_CTL_MOD, fd, events);
    else if (result === -errnos.ENOENT) result = this.#control(EPOLL_CTL_ADD, fd, events);

    if (result === 0) {
      this.#files.delete(fd);
      this.#remember(fd, wanted);
      if (this.#streams.unread.has(fd)) this.#watch?.wake();
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

  /**
   * What decides how `fd` is watched has changed behind the operating system's back: something was read ahead and not
   * taken, or is owed, or its send buffer is another.
   */
  reconsider(fd: number): void {
    if ((this.#interest[fd] ?? 0) === 0) return;
    this.#steady.forget(fd, true);
    this.#control(EPOLL_CTL_MOD, fd, this.#levelEvents(fd, this.#interest[fd] ?? 0));
    if (this.#reads(fd) && this.#streams.unread.has(fd)) this.#watch?.wake();
  }

  wait(timeoutMs: number): number {
    const { unread, owed } = this.#streams;
    this.#steady.beginWait();
    const timeout = this.alwaysReady ? 0 : timeoutOf(timeoutMs);
    let found = waitInSlices(this.#epollWait, timeout);
    if (found < 0) {
      const errno = this.#libc.errno();
      if (errno !== errnos.EINTR) return -errno;
      found = 0;
    }
    const needed = (found + this.#files.size + unread.size) * READY_STRIDE;
    if (this.ready.length < needed) this.ready = new Int32Array(needed * 2);

    const rows = this.ready;
    const events = this.#events;
    const steady = this.#steady;
    const isBusy = found >= steady.batchMin;
    let count = 0;
    for (let at = 0; at < found * EVENT_WORDS; at += EVENT_WORDS) {
      const fd = events[at + EVENT_FD] ?? 0;
      const interest = this.#interest[fd] ?? 0;
      if (interest === 0) {
        this.#seeUnwatched(fd);
        continue;
      }
      let seen = steady.see(fd, events[at] ?? 0, interest, isBusy);
      if (owed.size > 0) seen = this.#settle(fd, seen, interest);
      if (seen === 0) continue;
      this.#writeRow(rows, count * READY_STRIDE, fd, seen, interest);
      count++;
    }
    steady.readAhead();
    for (const [fd, interest] of this.#files) {
      this.#writeRow(rows, count * READY_STRIDE, fd, unblockedEventsOf(interest), interest);
      count++;
    }
    if (unread.size > 0) count = this.#addUnread(count);
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
    );
    const descriptor = watchSet(this.#libc, this.#linux, watch, this.#epollFd);
    this.#watch = watch;
    if (this.alwaysReady) watch.wake();
    return watch;
  }

  close(): void {
    if (this.#epollFd < 0) return;
    this.#watch?.stop();
    this.#steady.close();
    this.#libc.close(this.#epollFd);
    this.#epollFd = -1;
    this.#files.clear();
    this.#interest.fill(0);
    this.#onClose(this);
  }

  readonly #epollWait = (timeoutMs: number): number =>
    this.#linux.epoll_wait(this.#epollFd, this.#events, this.#capacity, timeoutMs);

  /** What a level-triggered descriptor is watched for: what is asked, and room for what is owed. */
  #levelEvents(fd: number, interest: number): number {
    const { owed } = this.#streams;
    return owed.size > 0 && owed.has(fd) ? eventsOf(interest) | POLLOUT : eventsOf(interest);
  }

  #reads(fd: number): boolean {
    return ((this.#interest[fd] ?? 0) & Ready.READ) !== 0;
  }

  /** What was read ahead and not taken is there to be read, whatever the operating system says. */
  #addUnread(count: number): number {
    const rows = this.ready;
    const { unread } = this.#streams;
    const told = new Set<number>();
    for (let at = 0; at < count * READY_STRIDE; at += READY_STRIDE) {
      const fd = rows[at] ?? -1;
      if (!unread.has(fd)) continue;
      told.add(fd);
      if (this.#reads(fd)) rows[at + 1] = (rows[at + 1] ?? 0) | Ready.READ;
      // How many bytes can be read, where that is told.
      if ((rows[at + 3] ?? -1) >= 0) rows[at + 3] = (rows[at + 3] ?? 0) + unread.lengthOf(fd);
    }
    let total = count;
    for (const fd of unread.fds()) {
      if (!this.#reads(fd) || told.has(fd)) continue;
      told.add(fd);
      this.#writeRow(rows, total * READY_STRIDE, fd, POLLIN, Ready.READ);
      total++;
    }
    return total;
  }

  /** Nobody's: it owes something, or its number was closed behind the set's back while a duplicate keeps the file open. */
  #seeUnwatched(fd: number): void {
    if (this.#streams.owed.settle(fd)) this.#control(EPOLL_CTL_DEL, fd, 0);
  }

  /** Sends what is owed where there is room again. @returns the events without the room that nobody has asked for */
  #settle(fd: number, events: number, interest: number): number {
    if ((events & POLLOUT) === 0 || !this.#streams.owed.has(fd)) return events;
    if (!this.#streams.owed.settle(fd)) return events & ~POLLOUT;
    return (interest & Ready.WRITE) === 0 ? events & ~POLLOUT : events;
  }

  #control(operation: number, fd: number, events: number): number {
    this.#event[0] = events;
    this.#event[EVENT_FD] = fd;
    return this.#linux.epoll_ctl(this.#epollFd, operation, fd, this.#event) < 0 ? -this.#libc.errno() : 0;
  }

  #remember(fd: number, interest: number): void {
    if (fd >= this.#interest.length) this.#interest = grown(this.#interest, fd);
    this.#interest[fd] = interest;
  }

  /** The buffer came back full: more may be ready than it shows. */
  #grow(): void {
    this.#capacity *= 2;
    this.#events = new Int32Array(this.#capacity * EVENT_WORDS);
  }
}
