/**
 * Owns `poll_oneoff` on the host: reads WASI subscriptions from a module's memory, asks a {@link PollSet}, and writes
 * WASI events. Knows the layouts and the backend seam; knows no engine and no handlers.
 *
 * There are two ways to learn what the caller wants watched. If the caller keeps a change log (engine.wasm), only the
 * changes are read, so that a call costs O(ready + changed). Otherwise the whole array is read, and the poll set is
 * updated with the differences from the previous call. The rest of the code serves both.
 */

import { Ready, ReadyRow, type Backend, type PollSet } from "../backend/backend.js";
import { ArrayReader } from "./array-reader.js";
import { ERRNO_FAULT, ERRNO_INVAL, ERRNO_IO, ERRNO_SUCCESS, wasiErrno } from "./errno.js";
import { EVENT_HANGUP, Event, EventType, Subscription } from "./layout.js";
import { LogReader, type ChangeLog } from "./log-reader.js";
import { Watched } from "./watched.js";

const NS_PER_MS = 1e6;
const TWO_32 = 0x1_0000_0000;
/** More than any process can use. The limit keeps a call from growing the host's tables to the size of a module's memory. */
const SUBSCRIPTIONS_MAX = 0x40000;

/** A turn ends when nothing is ready. A sleep that ends at once, or some, are no harm; a loop of its own never ends. */
const EMPTY_POLLS_MAX = 100;

/** A module's linear memory. When it grows, its buffer is replaced. */
export interface LinearMemory {
  readonly buffer: ArrayBuffer;
}

/** The descriptors of a module that has a table of its own. */
export interface DescriptorNames {
  /** The backend's descriptor for the module's `fd`; negative where none is open. */
  descriptorOf(fd: number): number;
  /**
   * A pending error of the backend's `descriptor` was taken. The event does not tell it, because an error in an event means
   * that the subscription failed: the module's next call on the descriptor has to.
   */
  failed(descriptor: number, wasiErrno: number): void;
}

/** `poll_oneoff` for one module. It owns its poll set: {@link close} releases it. */
export class PollOneoff {
  readonly pollSet: PollSet;
  /** Does a call wait? If not, the host waits after the call, on {@link pollSet} and for {@link wantedMs}. */
  waits = true;
  /** How long the last call was asked to wait, in milliseconds. Not set for a caller with a change log. */
  wantedMs = 0;
  readonly #backend: Backend;
  readonly #memory: () => LinearMemory;
  readonly #watched: Watched;
  readonly #log: LogReader | undefined;
  readonly #array: ArrayReader;
  readonly #names: DescriptorNames | undefined;
  /** What {@link #view} and {@link #words} were made of. */
  #viewed: LinearMemory | undefined;
  #view = new DataView(new ArrayBuffer(0));
  /** The memory as words, for writing events: WASI is little-endian, and so is every host that runs this. */
  #words = new Int32Array(0);
  #eventAt = 0;
  /** Calls of this turn that would have waited. */
  #emptyPolls = 0;

  /**
   * @param memory the module's memory, which exists only once the module is instantiated
   * @param changeLog where the caller keeps one
   * @param names where the caller's descriptors are not the backend's; not together with a change log
   */
  constructor(backend: Backend, memory: () => LinearMemory, changeLog?: ChangeLog, names?: DescriptorNames) {
    this.#backend = backend;
    this.#memory = memory;
    // A caller that keeps a log asks isImmediate before each wait.
    this.pollSet = backend.createPollSet({ asksWriters: changeLog !== undefined });
    this.#watched = new Watched(this.pollSet);
    this.#log = changeLog === undefined ? undefined : new LogReader(changeLog, this.#watched);
    this.#names = names;
    this.#array = new ArrayReader(this.#watched, backend.clock, names?.descriptorOf.bind(names));
  }

  /** Would a call return at once, regardless of the operating system? */
  get isImmediate(): boolean {
    return this.#watched.failures.length > 0 || this.pollSet.alwaysReady;
  }

  /** Where calls do not wait: does the caller want to wait without leaving its turn, again and again? */
  get isBlocked(): boolean {
    return this.#emptyPolls >= EMPTY_POLLS_MAX;
  }

  /** A turn of a caller whose calls do not wait begins. */
  turnBegins(): void {
    this.#emptyPolls = 0;
  }

  /** Updates the poll set with the change log, before the host waits on its own event loop. */
  synchronize(): void {
    this.#log?.read(this.#currentView());
  }

  /** The WASI call itself. @returns a WASI errno. */
  call(subscriptionsAt: number, eventsAt: number, subscriptionCount: number, countAt: number): number {
    const subscriptions = subscriptionsAt >>> 0;
    const events = eventsAt >>> 0;
    const length = subscriptionCount >>> 0;
    const view = this.#currentView();
    if (length === 0 || events % 8 !== 0) return ERRNO_INVAL;
    if (
      subscriptions + length * Subscription.SIZE > view.byteLength ||
      events + length * Event.SIZE > view.byteLength ||
      (countAt >>> 0) + 4 > view.byteLength
    ) {
      return ERRNO_FAULT;
    }

    this.#eventAt = events;
    if (this.#log === undefined) {
      if (length > SUBSCRIPTIONS_MAX) return ERRNO_INVAL;
      this.#array.read(view, subscriptions, length);
      // A wait may end early, and some callers (wasi-libc's sleep) read the first event without checking the count.
      do {
        this.wantedMs = this.#array.remainingMs();
        const errno = this.#poll(this.waits ? this.wantedMs : 0);
        if (errno !== ERRNO_SUCCESS) return errno;
        this.#eventAt = this.#array.writePending(view, this.#eventAt);
      } while (this.waits && this.#eventAt === events);
      if (this.#eventAt === events && this.wantedMs > 0) this.#emptyPolls++;
    } else {
      this.#log.read(view);
      const errno = this.#poll(relativeTimeoutMs(view, subscriptions));
      if (errno !== ERRNO_SUCCESS) return errno;
    }
    view.setUint32(countAt >>> 0, (this.#eventAt - events) / Event.SIZE, true);
    return ERRNO_SUCCESS;
  }

  /** A caller without a change log has closed the backend's descriptor `fd`. */
  forget(fd: number): void {
    this.#array.forget(fd);
  }

  /** Releases the poll set. */
  close(): void {
    this.pollSet.close();
  }

  #currentView(): DataView {
    // Growing detaches the buffer, which is not a shared one, and an array over it is empty then. Asking for the buffer is a
    // call out of compiled code.
    const memory = this.#memory();
    if (memory === this.#viewed && this.#words.length > 0) return this.#view;
    const { buffer } = memory;
    this.#viewed = memory;
    this.#view = new DataView(buffer);
    this.#words = new Int32Array(buffer);
    return this.#view;
  }

  #poll(timeoutMs: number): number {
    const { failures } = this.#watched;
    for (const failure of failures) {
      this.#write(failure.low, failure.high, this.#wasi(failure.errno), failure.type, 0, 0);
    }
    const waitMs = failures.length > 0 ? 0 : timeoutMs;
    if (failures.length > 0) failures.length = 0;

    const count = this.pollSet.wait(waitMs);
    if (count < 0) return this.#wasi(count);
    const { ready } = this.pollSet;
    const { owners } = this.#watched;
    const isOwned = this.#log !== undefined;
    for (let i = 0, at = 0; i < count; i++, at += ReadyRow.STRIDE) {
      const fd = ready[at + ReadyRow.FD] ?? 0;
      const bits = ready[at + ReadyRow.BITS] ?? 0;
      // The most frequent case: readable, nothing else, and the descriptor has one subscriber.
      if (bits === Ready.READ && isOwned) {
        const owner = fd * Watched.STRIDE;
        this.#write(owners[owner] ?? 0, owners[owner + 1] ?? 0, ERRNO_SUCCESS, EventType.FD_READ, 1, 0);
      } else {
        this.#writeReady(fd, bits, ready[at + ReadyRow.ERROR] ?? 0, ready[at + ReadyRow.READABLE] ?? 0);
      }
    }
    return ERRNO_SUCCESS;
  }

  /** Writes the events of one ready descriptor: one for each direction that is subscribed and ready. */
  #writeReady(fd: number, bits: number, errno: number, bytes: number): void {
    const { owners } = this.#watched;
    const pending = errno === 0 ? ERRNO_SUCCESS : this.#wasi(errno);
    const error = this.#names === undefined ? pending : ERRNO_SUCCESS;
    if (pending !== ERRNO_SUCCESS) this.#names?.failed(fd, pending);
    const hangup = (bits & Ready.HANGUP) !== 0;
    const flags = hangup ? EVENT_HANGUP : 0;
    const nbytes = hangup && bytes >= 0 ? bytes : 1;
    const at = fd * Watched.STRIDE;
    if ((bits & Ready.READ) !== 0) {
      this.#write(owners[at] ?? 0, owners[at + 1] ?? 0, error, EventType.FD_READ, nbytes, flags);
      this.#writeShared(this.#watched.sharers(fd, false), error, EventType.FD_READ, nbytes, flags);
    }
    if ((bits & Ready.WRITE) !== 0) {
      this.#write(owners[at + 2] ?? 0, owners[at + 3] ?? 0, error, EventType.FD_WRITE, nbytes, flags);
      this.#writeShared(this.#watched.sharers(fd, true), error, EventType.FD_WRITE, nbytes, flags);
    }
    if ((bits & Ready.PRIORITY) !== 0 && this.#log !== undefined) {
      this.#write(owners[at] ?? 0, owners[at + 1] ?? 0, ERRNO_SUCCESS, EventType.FD_PRIORITY, 1, 0);
    }
  }

  #writeShared(sharers: readonly number[], error: number, type: number, nbytes: number, flags: number): void {
    for (let i = 0; i < sharers.length; i += 2) {
      this.#write(sharers[i] ?? 0, sharers[i + 1] ?? 0, error, type, nbytes, flags);
    }
  }

  /** Writes one event: four pairs of words, in the order of the layout. */
  #write(low: number, high: number, error: number, type: number, nbytes: number, flags: number): void {
    const words = this.#words;
    const at = this.#eventAt >>> 2;
    words[at] = low;
    words[at + 1] = high;
    words[at + 2] = error | (type << 16);
    words[at + 4] = nbytes;
    words[at + 5] = 0;
    words[at + 6] = flags;
    this.#eventAt += Event.SIZE;
  }

  #wasi(errno: number): number {
    return errno === 0 ? ERRNO_IO : wasiErrno(this.#backend.errorCode(errno));
  }
}

/** The timeout of a caller that keeps a change log: its first subscription, a relative one. */
function relativeTimeoutMs(view: DataView, at: number): number {
  const low = view.getUint32(at + Subscription.TIMEOUT, true);
  const high = view.getUint32(at + Subscription.TIMEOUT + 4, true);
  return (high * TWO_32 + low) / NS_PER_MS;
}
