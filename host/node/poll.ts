/**
 * Owns a dense array for poll(2) as a {@link PollSet}. Knows nothing of sockets. For POSIX without epoll: a wait costs
 * O(descriptors).
 *
 * While Node's own loop watches it (uv_poll), out-of-band data alone does not wake it: libuv has no event for that.
 */

import { isatty } from "node:tty";
import { type PollSet, Ready, ReadyRow, type Watch } from "../backend/backend.js";
import { LoopError } from "../backend/errors.js";
import { roomFor } from "../backend/tables.js";
import type { Batch } from "./batch/batch.js";
import type { Watcher } from "./batch/record.js";
import { errnos, type PlatformConstants } from "./constants.js";
import { KeptInput } from "./kept-input.js";
import type { Libc } from "./libc.js";
import { PollArray } from "./poll-array.js";
import { eventsOf, INTEREST, interestOf, POLLIN, POLLNVAL, POLLOUT, type RowWriter, timeoutOf } from "./readiness.js";
import { watchOne } from "./waiting/descriptors.js";
import { waitInSlices } from "./waiting/slices.js";
import { LoopWatch, type WatchedDescriptor } from "./waiting/watch.js";
import { files, timers } from "../backend/unhooked.js";

/** How often descriptors that the event loop could not be given are polled, and given to it again. */
const RETRY_MS = 10;

type Kind = "file" | "stream" | "other";

/** "file" never blocks; "stream" is one that libuv can certainly watch. */
function kindOf(fd: number): Kind {
  try {
    const stat = files.fstatSync(fd);
    if (stat.isFile() || stat.isDirectory()) return "file";
    const terminal = process.platform === "linux" && isatty(fd);
    return stat.isSocket() || stat.isFIFO() || terminal ? "stream" : "other";
  } catch {
    return "other";
  }
}

export class PollPollSet implements PollSet, Watcher {
  ready: Int32Array = new Int32Array(64 * ReadyRow.STRIDE);

  readonly #libc: Libc;
  readonly #constants: PlatformConstants;
  readonly #writeRow: RowWriter;
  readonly #batch: Batch;
  readonly #kept: KeptInput;
  readonly #probe = new PollArray(1);
  #array = new PollArray(64);
  #count = 0;
  /** By descriptor: its index in the array plus one; 0 where it is not in the array. */
  #places = new Int32Array(1024);
  readonly #files = new Set<number>();
  #closed = false;

  #watch: LoopWatch | undefined;
  /** During a watch: the descriptors that the event loop waits for, and those that it cannot wait for. */
  readonly #followed = new Map<number, WatchedDescriptor>();
  readonly #unwatchable = new Set<number>();
  /** Those that it could be given if there were a descriptor left. Polled every {@link RETRY_MS}. */
  readonly #postponed = new Set<number>();
  #retryTimer: NodeJS.Timeout | undefined;

  constructor(libc: Libc, constants: PlatformConstants, writeRow: RowWriter, batch: Batch) {
    this.#libc = libc;
    this.#constants = constants;
    this.#writeRow = writeRow;
    this.#batch = batch;
    this.#kept = new KeptInput(batch.records, (fd) => this.#reads(fd));
    batch.records.watchers.add(this);
  }

  get alwaysReady(): boolean {
    return this.#files.size > 0 || this.#kept.isAny;
  }

  // No batches: a wait costs so much here that they would gain nothing.
  beginTurn(): void {}

  endTurn(): void {}

  closing(fd: number): void {
    this.update(fd, 0);
  }

  inputKept(fd: number): void {
    if (this.#kept.notice(fd)) this.#watch?.wake();
  }

  update(fd: number, interest: number): number {
    const wanted = interest & INTEREST;
    if (wanted === 0) {
      this.#remove(fd);
      return 0;
    }
    if (this.#closed) return -errnos.EBADF;
    const found = this.#ask(fd);
    if (found < 0 || (found & POLLNVAL) !== 0) {
      this.#remove(fd);
      return found < 0 ? found : -errnos.EBADF;
    }
    this.#place(fd, eventsOf(wanted));
    // Only a descriptor that is ready for reading and writing at once can be a file: fstat is called for no other.
    const both = POLLIN | POLLOUT;
    if ((found & both) === both && kindOf(fd) === "file") this.#files.add(fd);
    else this.#files.delete(fd);
    if (this.#watch !== undefined) this.#follow(this.#watch, fd, wanted);
    this.inputKept(fd);
    return 0;
  }

  wait(timeoutMs: number): number {
    const waitMs = this.#batch.beforeWait(timeoutMs);
    if (this.#closed) return -errnos.EBADF;
    let left = waitInSlices(this.#pollOnce, this.#kept.isAny ? 0 : timeoutOf(waitMs));
    if (left < 0) {
      const errno = this.#libc.errno();
      if (errno !== errnos.EINTR) return -errno;
      left = 0;
    }
    const array = this.#array;
    const rows = this.ready;
    let count = 0;
    for (let index = 0; left > 0 && index < this.#count; index++) {
      const found = array.foundAt(index);
      if (found === 0) continue;
      left--;
      this.#writeRow(rows, count * ReadyRow.STRIDE, array.fdAt(index), found, interestOf(array.eventsAt(index)));
      count++;
    }
    return this.#kept.size > 0 ? this.#kept.addTo(rows, count) : count;
  }

  watch(onReady: () => void): Watch {
    if (this.#watch !== undefined) throw new LoopError("ERR_LOOP_RUNNING", "this poll set is being watched already");
    const watch = new LoopWatch(
      onReady,
      () => this.#unwatchable.size > 0 || this.alwaysReady,
      () => {
        for (const descriptor of this.#followed.values()) descriptor.close();
        this.#followed.clear();
        this.#unwatchable.clear();
        this.#postponed.clear();
        timers.clearTimeout(this.#retryTimer);
        this.#retryTimer = undefined;
        this.#watch = undefined;
      },
      (on) => {
        for (const descriptor of this.#followed.values()) descriptor.setReferenced(on);
      },
    );
    this.#watch = watch;
    for (let index = 0; index < this.#count; index++) {
      this.#follow(watch, this.#array.fdAt(index), interestOf(this.#array.eventsAt(index)));
    }
    if (this.alwaysReady) watch.wake();
    return watch;
  }

  readonly #pollOnce = (timeoutMs: number): number => this.#libc.poll(this.#array.fds, this.#count, timeoutMs);

  close(): void {
    if (this.#closed) return;
    this.#watch?.stop();
    this.#closed = true;
    this.#count = 0;
    this.#files.clear();
    this.#kept.clear();
    this.#places.fill(0);
    this.#batch.records.watchers.delete(this);
  }

  #reads(fd: number): boolean {
    const place = this.#places[fd] ?? 0;
    return place !== 0 && (interestOf(this.#array.eventsAt(place - 1)) & Ready.READ) !== 0;
  }

  /** The events that poll(2) reports for one descriptor now, or -errno. */
  #ask(fd: number): number {
    this.#probe.set(0, fd, POLLIN | POLLOUT);
    // poll(2) ignores a negative descriptor.
    if (fd < 0) return -errnos.EBADF;
    while (this.#libc.poll(this.#probe.fds, 1, 0) < 0) {
      const errno = this.#libc.errno();
      if (errno !== errnos.EINTR) return -errno;
    }
    return this.#probe.foundAt(0);
  }

  #place(fd: number, events: number): void {
    if (fd >= this.#places.length) {
      const larger = new Int32Array(roomFor(fd, this.#places));
      larger.set(this.#places);
      this.#places = larger;
    }
    let place = this.#places[fd] ?? 0;
    if (place === 0) {
      if (this.#count === this.#array.capacity) {
        this.#array = this.#array.grown();
        this.ready = new Int32Array(this.#array.capacity * ReadyRow.STRIDE);
      }
      place = ++this.#count;
      this.#places[fd] = place;
    }
    this.#array.set(place - 1, fd, events);
  }

  #remove(fd: number): void {
    this.#unfollow(fd);
    this.#files.delete(fd);
    const place = this.#places[fd] ?? 0;
    if (place === 0) return;
    this.#places[fd] = 0;
    const last = this.#count--;
    if (place === last) return;
    this.#array.move(last - 1, place - 1);
    this.#places[this.#array.fdAt(place - 1)] = place;
  }

  /**
   * Has the event loop wait for a descriptor. One that it cannot wait for is polled in every iteration instead; where there
   * is only no descriptor left for it, after a time, because that may last.
   */
  #follow(watch: LoopWatch, fd: number, interest: number): void {
    this.#unfollow(fd);
    if (!this.#files.has(fd)) {
      const isStream = kindOf(fd) === "stream";
      if (this.#isWaitedFor(watch, fd, eventsOf(interest), isStream)) return;
      if (isStream) this.#postpone(watch, fd);
      else this.#unwatchable.add(fd);
    }
    watch.wake();
  }

  #isWaitedFor(watch: LoopWatch, fd: number, events: number, isStream: boolean): boolean {
    const followed = watchOne(this.#libc, this.#constants, watch, fd, events, isStream);
    if (followed === undefined) return false;
    followed.setReferenced(watch.isReferenced);
    this.#followed.set(fd, followed);
    return true;
  }

  #postpone(watch: LoopWatch, fd: number): void {
    this.#postponed.add(fd);
    this.#retryTimer ??= this.#retryLater(watch);
  }

  #retryLater(watch: LoopWatch): NodeJS.Timeout {
    const timer = timers.setTimeout(this.#retry, RETRY_MS);
    return watch.isReferenced ? timer : timer.unref();
  }

  readonly #retry = (): void => {
    this.#retryTimer = undefined;
    const watch = this.#watch;
    if (watch === undefined) return;
    for (const fd of this.#postponed) {
      const events = this.#array.eventsAt((this.#places[fd] ?? 0) - 1);
      // The others would find no descriptor either.
      if (!this.#isWaitedFor(watch, fd, events, true)) break;
      this.#postponed.delete(fd);
    }
    if (this.#postponed.size === 0) return;
    this.#retryTimer = this.#retryLater(watch);
    watch.wake();
  };

  #unfollow(fd: number): void {
    this.#followed.get(fd)?.close();
    this.#followed.delete(fd);
    this.#unwatchable.delete(fd);
    this.#postponed.delete(fd);
  }
}
