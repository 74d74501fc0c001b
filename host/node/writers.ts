/**
 * Owns which descriptors of an epoll set have begun to be watched for writing, and are not in the set for it: one poll(2) tells
 * which of them can write now. Knows neither the set's interest nor a row of readiness.
 *
 * Most handlers want to write for one turn: they have something to send, and the socket has room. Two epoll_ctl(2) for each
 * would cost more than the rest of the turn. One that goes on wanting to is put into the set.
 */

import type { Libc } from "./libc.js";
import { PollArray } from "./poll-array.js";
import { POLLIN, POLLOUT } from "./readiness.js";

export class Writers {
  /** Whether the epoll set had something ready when they were asked. */
  isSetReady = true;
  readonly #libc: Libc;
  /** Not asked yet. */
  readonly #begun = new Set<number>();
  /** Asked, with the events that poll(2) reports, for the next wait. */
  readonly #ready = new Map<number, number>();
  /** Reported by a wait. */
  readonly #told = new Set<number>();
  #array = new PollArray(32);
  /** Of the array; passing the array itself would cost more than the rest of the call. */
  #arrayAt: number;

  constructor(libc: Libc) {
    this.#libc = libc;
    this.#arrayAt = Number(libc.addressOf(this.#array.fds));
  }

  /** How many are ready, of those that were asked. */
  get readySize(): number {
    return this.#ready.size;
  }

  add(fd: number): void {
    if (!this.#ready.has(fd) && !this.#told.has(fd)) this.#begun.add(fd);
  }

  /** @returns whether it was there */
  delete(fd: number): boolean {
    return this.#begun.delete(fd) || this.#told.delete(fd) || this.#ready.delete(fd);
  }

  /**
   * Asks those that have begun to. One that is not ready, or has been ready before, leaves, and is given to `register`.
   * @param register puts it into the set; returns false if it cannot, and it is reported with `failure`
   */
  ask(epollFd: number, failure: number, register: (fd: number) => boolean): void {
    if (this.#told.size > 0) {
      for (const fd of this.#told) if (!register(fd)) this.#ready.set(fd, failure);
      this.#told.clear();
    }
    if (this.#begun.size === 0) return;
    const found = this.#poll(epollFd);
    let at = 0;
    for (const fd of this.#begun) {
      const events = found < 0 ? 0 : this.#array.foundAt(++at);
      if (events !== 0) this.#ready.set(fd, events);
      else if (!register(fd)) this.#ready.set(fd, failure);
    }
    this.#begun.clear();
    this.isSetReady = found < 0 || this.#array.foundAt(0) !== 0;
  }

  /** The events of `fd` for this wait; 0 if it is not ready. */
  take(fd: number): number {
    const events = this.#ready.get(fd);
    if (events === undefined) return 0;
    this.#ready.delete(fd);
    this.#told.add(fd);
    return events;
  }

  /** Those that are ready, and that nobody has taken. */
  rest(): Iterable<number> {
    return this.#ready.keys();
  }

  clear(): void {
    this.#begun.clear();
    this.#ready.clear();
    this.#told.clear();
  }

  #poll(epollFd: number): number {
    if (this.#array.capacity <= this.#begun.size) this.#grow();
    let count = 0;
    this.#array.set(count++, epollFd, POLLIN);
    for (const fd of this.#begun) this.#array.set(count++, fd, POLLOUT);
    return this.#libc.pollAt(this.#arrayAt, count, 0);
  }

  #grow(): void {
    while (this.#array.capacity <= this.#begun.size) this.#array = this.#array.grown();
    this.#arrayAt = Number(this.#libc.addressOf(this.#array.fds));
  }
}
