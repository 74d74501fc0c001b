/**
 * Owns an epoll(7) instance as a {@link PollSet}. Knows nothing of sockets. Level-triggered: a change costs one
 * epoll_ctl(2), a wait costs O(ready) and allocates nothing but a larger buffer after one that came back full.
 *
 * ```
 * struct epoll_event   x64 (packed)                others
 *                      0       4        12         0       4       8        16
 *                      | events| fd | 0 |          | events|  pad  | fd | 0 |
 * ```
 */

import { type PollSet, READY_STRIDE, type Watch } from "../backend.js";
import { LoopError, OSError } from "../errors.js";
import { errnos, errorCode, SOCK_CLOEXEC } from "./constants.js";
import type { Libc, LinuxCalls } from "./libc.js";
import { eventsOf, INTEREST, POLLIN, type RowWriter, timeoutOf, unblockedEventsOf } from "./readiness.js";
import { LoopDescriptor, LoopWatch } from "./watch.js";

const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLL_CTL_MOD = 3;

/** In 32-bit words. */
const EVENT_WORDS = process.arch === "x64" ? 3 : 4;
const EVENT_FD = process.arch === "x64" ? 1 : 2;

const FIRST_CAPACITY = 1024;
const LAST_CAPACITY = 65536;

export class EpollPollSet implements PollSet {
  ready: Int32Array = new Int32Array(FIRST_CAPACITY * READY_STRIDE);

  readonly #libc: Libc;
  readonly #linux: LinuxCalls;
  readonly #writeRow: RowWriter;
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

  constructor(libc: Libc, linux: LinuxCalls, writeRow: RowWriter, onClose: (set: PollSet) => void) {
    this.#libc = libc;
    this.#linux = linux;
    this.#writeRow = writeRow;
    this.#onClose = onClose;
    this.#epollFd = linux.epoll_create1(SOCK_CLOEXEC);
    if (this.#epollFd < 0) {
      const errno = libc.errno();
      throw new OSError(errorCode(-errno), { errno: -errno, syscall: "epoll_create1" });
    }
  }

  get alwaysReady(): boolean {
    return this.#files.size > 0;
  }

  update(fd: number, interest: number): number {
    const wanted = interest & INTEREST;
    const known = this.#interest[fd] ?? 0;
    if (wanted === 0) {
      this.#files.delete(fd);
      if (known !== 0) {
        this.#interest[fd] = 0;
        // A descriptor that is closed already left the set by itself.
        this.#control(EPOLL_CTL_DEL, fd, 0);
      }
      return 0;
    }

    // Asked even if nothing seems changed: another descriptor may have come under the number since.
    let result = this.#control(known === 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, wanted);
    if (result === -errnos.EEXIST) result = this.#control(EPOLL_CTL_MOD, fd, wanted);
    else if (result === -errnos.ENOENT) result = this.#control(EPOLL_CTL_ADD, fd, wanted);

    if (result === 0) {
      this.#files.delete(fd);
      this.#remember(fd, wanted);
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
    const timeout = this.#files.size > 0 ? 0 : timeoutOf(timeoutMs);
    let found = this.#linux.epoll_wait(this.#epollFd, this.#events, this.#capacity, timeout);
    if (found < 0) {
      const errno = this.#libc.errno();
      if (errno !== errnos.EINTR) return -errno;
      found = 0;
    }
    const needed = (found + this.#files.size) * READY_STRIDE;
    if (this.ready.length < needed) this.ready = new Int32Array(needed * 2);

    const rows = this.ready;
    const events = this.#events;
    let count = 0;
    for (let at = 0; at < found * EVENT_WORDS; at += EVENT_WORDS) {
      const fd = events[at + EVENT_FD] ?? 0;
      const interest = this.#interest[fd] ?? 0;
      // Nobody's: the number was closed behind the set's back while a duplicate keeps the file open.
      if (interest === 0) continue;
      this.#writeRow(rows, count * READY_STRIDE, fd, events[at] ?? 0, interest);
      count++;
    }
    for (const [fd, interest] of this.#files) {
      this.#writeRow(rows, count * READY_STRIDE, fd, unblockedEventsOf(interest), interest);
      count++;
    }
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
    const descriptor = new LoopDescriptor(this.#libc, watch, this.#epollFd, POLLIN);
    this.#watch = watch;
    if (this.alwaysReady) watch.wake();
    return watch;
  }

  close(): void {
    if (this.#epollFd < 0) return;
    this.#watch?.stop();
    this.#libc.close(this.#epollFd);
    this.#epollFd = -1;
    this.#files.clear();
    this.#interest.fill(0);
    this.#onClose(this);
  }

  #control(operation: number, fd: number, interest: number): number {
    this.#event[0] = eventsOf(interest);
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
  }
}
