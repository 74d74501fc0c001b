/**
 * Owns which descriptors a module has watched, and whose event each direction is. Knows the poll set; knows no memory
 * and no WASI layout.
 */

import { Ready, type PollSet } from "../backend/backend.js";
import { EventType } from "./layout.js";

/** A descriptor that could not be watched: an event to be reported at the next poll. */
export interface Failure {
  readonly fd: number;
  readonly low: number;
  readonly high: number;
  readonly type: number;
  readonly errno: number;
}

const NOBODY: readonly number[] = [];

export class Watched {
  /** Numbers a descriptor takes in {@link owners}. */
  static readonly STRIDE = 4;

  /** By descriptor: userdata of its read subscription, low and high half, then of its write subscription. */
  owners = new Int32Array(256 * Watched.STRIDE);
  readonly failures: Failure[] = [];
  /** Further userdata of a direction that is subscribed for more than once, in pairs of words. */
  readonly #shared = new Map<number, number[]>();
  readonly #pollSet: PollSet;

  constructor(pollSet: PollSet) {
    this.#pollSet = pollSet;
  }

  /** Says whose event a direction of `fd` is from now on. */
  own(fd: number, write: boolean, low: number, high: number): void {
    const at = fd * Watched.STRIDE + (write ? 2 : 0);
    if (at + 2 > this.owners.length) this.#grow(fd);
    this.owners[at] = low;
    this.owners[at + 1] = high;
  }

  /** Says who else's event a direction of `fd` is, until {@link unshare}. */
  share(fd: number, write: boolean, low: number, high: number): void {
    const key = fd * 2 + Number(write);
    const others = this.#shared.get(key);
    if (others === undefined) this.#shared.set(key, [low, high]);
    else others.push(low, high);
  }

  /** Whom {@link share} named: userdata in pairs of words. */
  sharers(fd: number, write: boolean): readonly number[] {
    return this.#shared.size === 0 ? NOBODY : (this.#shared.get(fd * 2 + Number(write)) ?? NOBODY);
  }

  unshare(): void {
    this.#shared.clear();
  }

  /** Watches `fd` for `interest`; where that is refused, an event will tell its owners. */
  watch(fd: number, interest: number): void {
    if (this.failures.length > 0) this.#withdraw(fd);
    const errno = this.#pollSet.update(fd, interest);
    if (errno === 0) return;
    if ((interest & Ready.READ) !== 0) this.#fail(fd, 0, EventType.FD_READ, errno);
    if ((interest & Ready.WRITE) !== 0) this.#fail(fd, 2, EventType.FD_WRITE, errno);
  }

  /** Drops earlier failures of `fd`: with their events there would be more than the caller has room for. */
  #withdraw(fd: number): void {
    const { failures } = this;
    for (let i = failures.length - 1; i >= 0; i--) if (failures[i]?.fd === fd) failures.splice(i, 1);
  }

  #fail(fd: number, offset: number, type: number, errno: number): void {
    const at = fd * Watched.STRIDE + offset;
    this.failures.push({ fd, low: this.owners[at] ?? 0, high: this.owners[at + 1] ?? 0, type, errno });
    const sharers = this.sharers(fd, offset !== 0);
    for (let i = 0; i < sharers.length; i += 2) {
      this.failures.push({ fd, low: sharers[i] ?? 0, high: sharers[i + 1] ?? 0, type, errno });
    }
  }

  #grow(fd: number): void {
    const grown = new Int32Array(Math.max(2 * this.owners.length, (fd + 1) * Watched.STRIDE));
    grown.set(this.owners);
    this.owners = grown;
  }
}
