/**
 * Owns waking a loop from another thread: a pipe whose read end is a channel of the map, and the words in shared memory
 * that say whether a byte must be written, and whether the pipe may be written to. Knows the channel seam and the
 * backend; knows no loop.
 *
 * A wake writes a byte, unless one was written since the loop last read: {@link WRITTEN} then equals {@link EPOCH}, which
 * the loop increments after it has read and before it calls back. So the callback sees everything that was written to
 * shared memory before the wake. A thread that ends in the middle of a wake does not block later ones.
 */

import { writeSync } from "node:fs";
import type { Backend } from "../backend/backend.js";
import { checkDescriptor, checkObject } from "../backend/check.js";
import { OSError, UnsupportedPlatformError } from "../backend/errors.js";
import { INSPECT, inspectAs, type Inspect, type InspectOptions } from "../backend/inspect.js";
import type { Channel, ChannelDescription, Registration } from "./channel.js";
import { Interest, State } from "./engine.js";
import type { Scheduler } from "./scheduler.js";
import type { Timer } from "./timer.js";

/** What another thread needs to wake a loop: pass it with `postMessage` or `workerData`, then call `wake`. */
export interface WakeHandle {
  /** The write end of a pipe: a descriptor of this process. Only for `wake`. */
  readonly fd: number;
  readonly state: SharedArrayBuffer;
}

/** How many threads are in `wake` now, and {@link CLOSED}. */
const USERS = 0;
/** Counts the times that the loop has read the pipe. */
const EPOCH = 1;
/** The epoch in which the last byte was written. */
const WRITTEN = 2;
const STATE_BYTES = 3 * 4;

const CLOSED = 0x40000000;

/** How long `close` waits for threads that are in `wake`, at most. It takes microseconds, unless a thread ended there. */
const CLOSE_WAIT_MS = 100;

const BYTE = new Uint8Array(1);

/**
 * Wakes the loop that `handle` belongs to: it takes a turn, and calls back. For any thread of the process. Cheap while
 * the loop has not yet reacted to an earlier wake; several wakes before the callback count as one.
 * @returns false where the waker is closed
 * @throws TypeError, RangeError where `handle` is not a waker's handle
 */
export function wake(handle: WakeHandle): boolean {
  checkObject("handle", handle);
  checkDescriptor("handle.fd", handle.fd);
  const { fd, state } = handle;
  if (!(state instanceof SharedArrayBuffer) || state.byteLength !== STATE_BYTES) {
    throw Object.assign(new TypeError(`"handle.state" must be the state of a waker`), { code: "ERR_INVALID_ARG_TYPE" });
  }
  const words = new Int32Array(state);
  if (!enter(words)) return false;
  try {
    const epoch = Atomics.load(words, EPOCH);
    if (Atomics.load(words, WRITTEN) === epoch) return true;
    writeByte(fd);
    Atomics.store(words, WRITTEN, epoch);
    return true;
  } finally {
    if (Atomics.sub(words, USERS, 1) === (CLOSED | 1)) Atomics.notify(words, USERS);
  }
}

/** While a thread is in `wake`, the descriptor stays open, so that its number is not reused. */
function enter(words: Int32Array): boolean {
  while (true) {
    const users = Atomics.load(words, USERS);
    if ((users & CLOSED) !== 0) return false;
    if (Atomics.compareExchange(words, USERS, users, users + 1) === users) return true;
  }
}

function writeByte(fd: number): void {
  try {
    // Not through a backend: the thread would need one of its own.
    writeSync(fd, BYTE);
  } catch (error) {
    // The pipe is full, so the loop will wake anyway.
    if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
  }
}

/**
 * Wakes a loop from another thread: made by `ChannelMap.waker`. It is a channel of its map: `closeAll` closes it, and it
 * keeps a loop going until it is closed, unless {@link unref} was called, as a MessagePort keeps a process alive.
 */
export class Waker implements Channel {
  /** For other threads. */
  readonly handle: WakeHandle;
  readonly #scheduler: Scheduler;
  readonly #callback: (() => void) | undefined;
  readonly #registration: Registration;
  readonly #buffer = new Uint8Array(64);
  readonly #closing = new AbortController();
  #fd: number;
  #timer: Timer | undefined;
  #isReferenced = true;
  #bytesIn = 0;

  /** @internal */
  constructor(scheduler: Scheduler, callback: (() => void) | undefined) {
    if (scheduler.backend.clock.turnTaker !== undefined) {
      // Its descriptors are not the process's, and what other threads do is not in its seed.
      throw new UnsupportedPlatformError("no other thread can wake a loop whose time is simulated");
    }
    const [readFd, writeFd] = makePipe(scheduler.backend);
    const state = new SharedArrayBuffer(STATE_BYTES);
    Atomics.store(new Int32Array(state), EPOCH, 1);
    this.handle = { fd: writeFd, state };
    this.#scheduler = scheduler;
    this.#callback = callback;
    this.#fd = readFd;
    const registering = { fd: readFd, state: State.OPEN, interest: Interest.READ, sampled: false, stream: true };
    this.#registration = scheduler.add(this, registering);
  }

  /** The read end of the pipe; -1 once closed. */
  get fd(): number {
    return this.#fd;
  }

  /** For the loop. */
  get signal(): AbortSignal {
    return this.#closing.signal;
  }

  /** The same as `wake` with {@link handle}. @returns false where it is closed */
  wake(): boolean {
    return wake(this.handle);
  }

  /** Makes it keep a loop going, which is the default. */
  ref(): this {
    return this.#reference(true);
  }

  /** Lets a loop end while it is open. */
  unref(): this {
    return this.#reference(false);
  }

  hasRef(): boolean {
    return this.#isReferenced && this.#fd >= 0;
  }

  /** No callback comes after it, and wakes return false. Safe to call again. */
  close(): void {
    const fd = this.#fd;
    if (fd < 0) return;
    this.ref();
    this.#fd = -1;
    this.#closing.abort();
    this.#timer?.cancel();
    this.#registration.remove();
    // Otherwise a thread has ended or is suspended in a wake: the number of its descriptor must not be reused.
    if (!isLeft(new Int32Array(this.handle.state))) return;
    this.#scheduler.backend.close(fd);
    this.#scheduler.backend.close(this.handle.fd);
  }

  /** The same, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** For the loop. @internal */
  sampleInterest(): number {
    return Interest.READ;
  }

  /**
   * For the loop. The callback comes with the timers of this turn, and what it throws leaves the loop as theirs does.
   * @internal
   */
  handleReadEvent(): void {
    const { backend } = this.#scheduler;
    let count: number;
    do {
      count = backend.read(this.#fd, this.#buffer);
      if (count > 0) this.#bytesIn += count;
    } while (count === this.#buffer.length);
    Atomics.add(new Int32Array(this.handle.state), EPOCH, 1);
    if (this.#callback !== undefined && this.#timer?.active !== true) {
      this.#timer = this.#scheduler.startTimer(0, 0, this.#callback);
    }
  }

  /** For the loop. @internal */
  handleAcceptEvent(): boolean {
    return false;
  }

  /** For the loop. @internal */
  handleConnectEvent(): void {}

  /** For the loop. @internal */
  handleSecureEvent(): void {}

  /** For the loop. @internal */
  handleWriteEvent(): void {}

  /** For the loop. @internal */
  handleExptEvent(): void {}

  /** For the loop. @internal */
  handleCloseEvent(): void {
    this.close();
  }

  /** For the loop. @internal */
  handleErrorEvent(error: unknown): void {
    throw error;
  }

  /** For the loop. @internal */
  socketError(code: string): OSError {
    return new OSError(code, { syscall: "read" });
  }

  /** For `util.inspect` and `console.log`. @internal */
  [INSPECT](depth: number, options: InspectOptions, inspect: Inspect): string {
    return inspectAs(this, "Waker", () => ({ fd: this.fd, referenced: this.hasRef() }), depth, options, inspect);
  }

  describe(): ChannelDescription {
    return { state: "open", local: undefined, remote: undefined, bytesIn: this.#bytesIn, bytesOut: 0 };
  }

  #reference(on: boolean): this {
    if (this.#fd >= 0 && on !== this.#isReferenced) {
      this.#isReferenced = on;
      this.#scheduler.unreferenced += on ? -1 : 1;
      this.#scheduler.changed();
    }
    return this;
  }
}

/** Refuses wakes from now on. @returns whether no thread is in one any more */
function isLeft(words: Int32Array): boolean {
  const endMs = performance.now() + CLOSE_WAIT_MS;
  Atomics.or(words, USERS, CLOSED);
  while (true) {
    const users = Atomics.load(words, USERS);
    if (users === CLOSED) return true;
    const leftMs = endMs - performance.now();
    if (leftMs <= 0) return false;
    Atomics.wait(words, USERS, users, leftMs);
  }
}

/** @throws OSError: EMFILE, ... */
function makePipe(backend: Backend): readonly [readFd: number, writeFd: number] {
  const ends = backend.pipe();
  if (typeof ends === "number") throw new OSError(backend.errorCode(ends), { errno: ends, syscall: "pipe" });
  for (const fd of ends) {
    backend.setNonBlocking(fd, true);
    backend.adopt(fd);
  }
  return ends;
}
