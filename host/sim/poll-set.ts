/**
 * Owns a poll set in memory: level-triggered, a wait costs O(ready + changed). Knows files by their readiness, and the
 * world by what blocks in it.
 */

import { type PollSet, Ready, ReadyRow, type Watch } from "../backend/backend.js";
import { E, type SimFile, type Watcher } from "./file.js";

const ALWAYS_REPORTED = Ready.HANGUP | Ready.ERROR;
const UNBLOCKED = Ready.READ | Ready.WRITE;
const INTEREST = UNBLOCKED | Ready.PRIORITY;

/** How the poll sets of a host wait, and what they know of its descriptors. */
export interface Waiting {
  fileOf(fd: number): SimFile | undefined;
  /** Lets time pass until `isReady`, or for so long. @returns 0, or -errno where neither would ever be */
  block(timeoutMs: number, isReady: () => boolean): number;
  /** A call that waits takes time: whoever polls again and again must see it pass. */
  spend(isBlocking: boolean): void;
  /** Calls back at this time of the world, but not from inside this call. */
  soon(call: () => void): void;
  /** Does the wait end early, as by a signal? */
  isInterrupted(): boolean;
  forget(set: SimPollSet): void;
}

class Registration implements Watcher {
  readonly fd: number;
  readonly file: SimFile;
  interest: number;
  isListed = false;
  readonly #set: SimPollSet;

  constructor(set: SimPollSet, fd: number, file: SimFile, interest: number) {
    this.#set = set;
    this.fd = fd;
    this.file = file;
    this.interest = interest;
  }

  changed(): void {
    this.#set.changed(this);
  }

  /** Bits of readiness that are to be reported. */
  bits(): number {
    const ready = this.file.ready();
    let bits = ready & (this.interest | ALWAYS_REPORTED);
    // With an error or a hang-up no call blocks: as with epoll, it is ready in both directions.
    if ((bits & ALWAYS_REPORTED) !== 0) bits |= this.interest & UNBLOCKED;
    return bits;
  }
}

export class SimPollSet implements PollSet {
  ready = new Int32Array(64 * ReadyRow.STRIDE);
  readonly #waiting: Waiting;
  readonly #byFd = new Map<number, Registration>();
  /** Those that may be ready. */
  #listed: Registration[] = [];
  #always = 0;
  #isClosed = false;
  readonly #watches = new Set<() => void>();
  #isCheckPlanned = false;
  #isWaiting = false;

  constructor(waiting: Waiting) {
    this.#waiting = waiting;
  }

  get alwaysReady(): boolean {
    return this.#always > 0;
  }

  update(fd: number, interest: number): number {
    if (this.#isClosed) return -E.EBADF;
    const wanted = interest & INTEREST;
    const found = this.#byFd.get(fd);
    if (wanted === 0) {
      if (found !== undefined) this.#remove(found);
      return 0;
    }
    const file = this.#waiting.fileOf(fd);
    if (file === undefined) return -E.EBADF;
    if (found !== undefined && found.file !== file) this.#remove(found);
    const current = this.#byFd.get(fd);
    if (current === undefined) this.#add(new Registration(this, fd, file, wanted));
    else {
      current.interest = wanted;
      current.changed();
    }
    return 0;
  }

  #add(registration: Registration): void {
    this.#byFd.set(registration.fd, registration);
    registration.file.watch(registration);
    if (registration.file.isAlwaysReady) this.#always += 1;
    registration.changed();
  }

  #remove(registration: Registration): void {
    this.#byFd.delete(registration.fd);
    registration.file.unwatch(registration);
    registration.interest = 0;
    if (registration.file.isAlwaysReady) this.#always -= 1;
    if (!registration.isListed) return;
    registration.isListed = false;
    this.#listed = this.#listed.filter((each) => each !== registration);
  }

  /** A descriptor is closed. */
  forget(fd: number): void {
    const found = this.#byFd.get(fd);
    if (found !== undefined) this.#remove(found);
  }

  /** Its readiness may have changed. */
  changed(registration: Registration): void {
    if (!registration.isListed) {
      registration.isListed = true;
      this.#listed.push(registration);
    }
    if (this.#watches.size > 0) this.#planCheck();
  }

  #planCheck(): void {
    if (this.#isCheckPlanned) return;
    this.#isCheckPlanned = true;
    this.#waiting.soon(this.#check);
  }

  readonly #check = (): void => {
    this.#isCheckPlanned = false;
    // What waits finds it by itself.
    if (!this.#isWaiting && this.hasReady()) for (const onReady of this.#watches) onReady();
  };

  /** Is one of them ready? Those that are not are no longer listed. */
  readonly hasReady = (): boolean => {
    const listed = this.#listed;
    for (let i = 0; i < listed.length; i++) if ((listed[i] as Registration).bits() !== 0) return true;
    return false;
  };

  wait(timeoutMs: number): number {
    if (this.#isClosed) return -E.EBADF;
    if (this.#waiting.isInterrupted()) {
      if (this.#listed.length > 0 && this.#watches.size > 0) this.#planCheck();
      return 0;
    }
    // Less than a microsecond is a rounding error of a deadline that has passed.
    const isBlocking = timeoutMs >= 0.001;
    this.#isWaiting = true;
    try {
      this.#waiting.spend(isBlocking);
      if (isBlocking && !this.hasReady()) {
        const failed = this.#waiting.block(timeoutMs, this.hasReady);
        if (failed < 0) return failed;
      }
    } finally {
      this.#isWaiting = false;
    }
    return this.#collect();
  }

  #collect(): number {
    const listed = this.#listed;
    if (listed.length === 0) return 0;
    if (listed.length * ReadyRow.STRIDE > this.ready.length) {
      this.ready = new Int32Array(2 * listed.length * ReadyRow.STRIDE);
    }
    const rows = this.ready;
    let kept = 0;
    for (let i = 0; i < listed.length; i++) {
      const registration = listed[i] as Registration;
      const bits = registration.bits();
      if (bits === 0) {
        registration.isListed = false;
        continue;
      }
      listed[kept] = registration;
      const at = kept * ReadyRow.STRIDE;
      kept += 1;
      rows[at + ReadyRow.FD] = registration.fd;
      rows[at + ReadyRow.BITS] = bits;
      const isPlain = (bits & ALWAYS_REPORTED) === 0;
      rows[at + ReadyRow.ERROR] = isPlain || (bits & Ready.ERROR) === 0 ? 0 : registration.file.takeError();
      rows[at + ReadyRow.READABLE] = isPlain || (bits & Ready.HANGUP) === 0 ? -1 : registration.file.readableBytes();
    }
    listed.length = kept;
    // Level-triggered: what the turn leaves ready ends the next wait as well.
    if (kept > 0 && this.#watches.size > 0) this.#planCheck();
    return kept;
  }

  /** The host's event loop is the world's time: it is called back while the world runs. */
  watch(onReady: () => void): Watch {
    // Each watch is one of its own, whatever its callback is.
    const watch = (): void => onReady();
    this.#watches.add(watch);
    if (this.#listed.length > 0) this.#planCheck();
    return { setReferenced: () => undefined, stop: () => void this.#watches.delete(watch) };
  }

  beginTurn(): void {}

  endTurn(): void {}

  close(): void {
    if (this.#isClosed) return;
    for (const registration of this.#byFd.values()) registration.file.unwatch(registration);
    this.#byFd.clear();
    this.#watches.clear();
    this.#listed.length = 0;
    this.#always = 0;
    this.#isClosed = true;
    this.#waiting.forget(this);
  }
}
