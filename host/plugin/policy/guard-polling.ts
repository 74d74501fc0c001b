/**
 * Owns a poll set under a policy: it withholds the readiness of sockets that have used up their rate, and of listening
 * sockets while there is no room for a connection. Knows the account; knows no address.
 *
 * A descriptor whose readiness is withheld is *parked*: the backend's set stops watching it in that direction, because it
 * would find it ready in every wait. A wait lasts until parked descriptors may be used again, at most. Between turns,
 * where the host waits on its own event loop, a timer or the end of a connection puts them back, and the backend's set
 * then finds them. Only what was found ready is parked, so that a wait stays O(ready).
 */

import { type Backend, type PollSet, Ready, ReadyRow, type Watch } from "../../backend/backend.js";
import type { Account } from "./account.js";
import type { OpenFile } from "./open-files.js";
import { waitMsOf } from "./process-options.js";
import { EBADF, ENOMEM } from "./refusals.js";
import { TIMER_MAX_MS } from "./timer.js";

/** What the host keeps of a set, and of each descriptor in it. */
export const SET_BYTES = 65_536;
const WATCHED_BYTES = 64;

/** How much a connection is likely to move when it is ready. */
const BYTES_LIKELY = 1024;
const INTEREST = Ready.READ | Ready.WRITE | Ready.PRIORITY;

/** What a set needs of the guard. */
export interface SetContext {
  readonly inner: Backend;
  readonly account: Account;
  /** Of the clock that the guest sees. */
  readonly resolutionMs: number;
  fileOf(fd: number): OpenFile | undefined;
  closed(set: GuardedPollSet): void;
}

export class GuardedPollSet implements PollSet {
  readonly #set: PollSet;
  readonly #context: SetContext;
  /** By descriptor: what it is watched for. */
  readonly #watched = new Map<number, number>();
  /** By descriptor: the directions in which it is parked; the one that was parked first comes first. */
  readonly #parked = new Map<number, number>();
  /** At least the directions in which any descriptor is parked. */
  #parkedDirections = 0;
  /** Listening sockets that are parked. */
  readonly #listeners = new Set<number>();
  /** Of the last wait, where something was withheld; and the array that is used for them again. */
  #ownRows: Int32Array | undefined;
  #spareRows = new Int32Array(0);
  #watch: { readonly isReferenced: boolean } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(context: SetContext) {
    this.#context = context;
    this.#set = context.inner.createPollSet();
  }

  get ready(): Int32Array {
    return this.#ownRows ?? this.#set.ready;
  }

  get alwaysReady(): boolean {
    return this.#set.alwaysReady;
  }

  update(fd: number, interest: number): number {
    const wanted = interest & INTEREST;
    if (wanted === 0) {
      this.forget(fd);
      return this.#set.update(fd, 0);
    }
    const isNew = !this.#watched.has(fd);
    if (isNew && !this.#context.account.take("maxHostBytes", WATCHED_BYTES)) return this.#isClosed ? EBADF : ENOMEM;
    // Whether it is to be parked again is found out by the next wait.
    this.#parked.delete(fd);
    this.#listeners.delete(fd);
    const result = this.#set.update(fd, wanted);
    if (result < 0) {
      if (isNew) this.#context.account.give("maxHostBytes", WATCHED_BYTES);
      else this.forget(fd);
    } else {
      this.#watched.set(fd, wanted);
    }
    return result;
  }

  wait(timeoutMs: number): number {
    const { inner, resolutionMs } = this.#context;
    let waitMs = waitMsOf(inner.clock, resolutionMs, timeoutMs);
    this.#ownRows = undefined;
    if (this.#parked.size + this.#listeners.size > 0) {
      this.#unpark();
      waitMs = Math.min(waitMs, this.#delayMs());
    }
    const count = this.#set.wait(waitMs);
    return count > 0 && this.#isWithholding() ? this.#withhold(count) : count;
  }

  watch(onReady: () => void): Watch {
    const watch = this.#set.watch(onReady);
    const state = { isReferenced: true };
    this.#watch = state;
    this.#setTimer();
    return {
      setReferenced: (on) => {
        state.isReferenced = on;
        watch.setReferenced(on);
        if (on) this.#timer?.ref();
        else this.#timer?.unref();
      },
      stop: () => {
        watch.stop();
        if (this.#watch === state) this.#stopWatch();
      },
    };
  }

  beginTurn(): void {
    this.#set.beginTurn();
  }

  endTurn(): void {
    this.#set.endTurn();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stopWatch();
    this.#set.close();
    this.#context.account.give("maxHostBytes", SET_BYTES + this.#watched.size * WATCHED_BYTES);
    this.#watched.clear();
    this.#parked.clear();
    this.#listeners.clear();
    this.#context.closed(this);
  }

  /** `fd` is not watched any more. */
  forget(fd: number): void {
    this.#parked.delete(fd);
    this.#listeners.delete(fd);
    if (this.#watched.delete(fd)) this.#context.account.give("maxHostBytes", WATCHED_BYTES);
  }

  /** A descriptor was closed: there may be room for a connection again. */
  roomMade(): void {
    if (this.#listeners.size > 0) this.#unpark();
  }

  /** May anything be withheld now? */
  #isWithholding(): boolean {
    const { account } = this.#context;
    return isFull(account) || account.input.allowed === 0 || account.output.allowed === 0;
  }

  /** The directions in which a file is not to be ready now. */
  #withheldOf(file: OpenFile | undefined): number {
    if (file === undefined || !file.isSocket) return 0;
    const { account } = this.#context;
    if (file.isListening) return isFull(account) ? Ready.READ : 0;
    return (account.input.allowed === 0 ? Ready.READ : 0) | (account.output.allowed === 0 ? Ready.WRITE : 0);
  }

  /** Copies the rows of the last wait without what is withheld, and parks that. @returns how many rows are left */
  #withhold(count: number): number {
    const rows = this.#set.ready;
    if (this.#spareRows.length < rows.length) this.#spareRows = new Int32Array(rows.length);
    const kept = this.#spareRows;
    let at = 0;
    for (let from = 0; from < count * ReadyRow.STRIDE; from += ReadyRow.STRIDE) {
      const fd = rows[from + ReadyRow.FD] ?? 0;
      const bits = rows[from + ReadyRow.BITS] ?? 0;
      // A pending error is reported once, and would be lost.
      const withheld = (rows[from + ReadyRow.ERROR] ?? 0) === 0 ? bits & this.#withheldOf(this.#context.fileOf(fd)) : 0;
      if (withheld !== 0) this.#park(fd, withheld);
      // Without a direction a row is about a descriptor that nobody asked about.
      if (withheld !== 0 && (bits & INTEREST & ~withheld) === 0) continue;
      for (let field = 0; field < ReadyRow.STRIDE; field++) kept[at + field] = rows[from + field] ?? 0;
      kept[at + ReadyRow.BITS] = bits & ~withheld;
      at += ReadyRow.STRIDE;
    }
    this.#ownRows = kept;
    this.#setTimer();
    return at / ReadyRow.STRIDE;
  }

  #park(fd: number, directions: number): void {
    const { account, fileOf } = this.#context;
    if (fileOf(fd)?.isListening === true) {
      this.#listeners.add(fd);
      this.#set.update(fd, (this.#watched.get(fd) ?? 0) & ~Ready.READ);
      const limit = account.isFull("maxConnections") ? "maxConnections" : "maxDescriptors";
      account.refuse(limit, account.limits[limit] + 1);
      return;
    }
    const parked = (this.#parked.get(fd) ?? 0) | directions;
    this.#parked.set(fd, parked);
    this.#parkedDirections |= directions;
    this.#set.update(fd, (this.#watched.get(fd) ?? 0) & ~parked);
    if ((directions & Ready.READ) !== 0) account.refuse("bytesPerSecondIn", account.limits.bytesPerSecondIn);
    else account.refuse("bytesPerSecondOut", account.limits.bytesPerSecondOut);
  }

  /** Watches again what may be used again. */
  #unpark(): void {
    const { account } = this.#context;
    if (this.#listeners.size > 0 && !isFull(account)) {
      for (const fd of this.#listeners) this.#set.update(fd, this.#watched.get(fd) ?? 0);
      this.#listeners.clear();
    }
    if (this.#parked.size === 0) return;
    // The longest parked first, and not more than the rate is likely to serve: the others would be parked again.
    let reads = Math.ceil(account.input.allowed / BYTES_LIKELY);
    let writes = Math.ceil(account.output.allowed / BYTES_LIKELY);
    let directions = 0;
    for (const [fd, parked] of this.#parked) {
      const mayRead = reads > 0 && (this.#parkedDirections & Ready.READ) !== 0;
      const mayWrite = writes > 0 && (this.#parkedDirections & Ready.WRITE) !== 0;
      // Nothing is known of those that are not looked at.
      if (!mayRead && !mayWrite) return;
      let left = parked;
      if (mayRead && (parked & Ready.READ) !== 0) {
        left &= ~Ready.READ;
        reads--;
      }
      if (mayWrite && (parked & Ready.WRITE) !== 0) {
        left &= ~Ready.WRITE;
        writes--;
      }
      directions |= left;
      if (left === parked) continue;
      if (left === 0) this.#parked.delete(fd);
      else this.#parked.set(fd, left);
      this.#set.update(fd, (this.#watched.get(fd) ?? 0) & ~left);
    }
    this.#parkedDirections = directions;
  }

  /** How long until a parked descriptor may be used again; Infinity where only the end of a connection makes room. */
  #delayMs(): number {
    if (this.#parked.size === 0) return Infinity;
    const { account } = this.#context;
    const readMs = (this.#parkedDirections & Ready.READ) === 0 ? Infinity : account.input.delayMs;
    const writeMs = (this.#parkedDirections & Ready.WRITE) === 0 ? Infinity : account.output.delayMs;
    const delayMs = Math.min(readMs, writeMs);
    // A timer may fire early, and more may be parked than is put back at once.
    return delayMs === Infinity ? Infinity : Math.min(TIMER_MAX_MS, Math.max(1, Math.ceil(delayMs)));
  }

  /** While the host waits on its own event loop, a timer puts back what is parked. */
  #setTimer(): void {
    if (this.#watch === undefined || this.#timer !== undefined || this.#parked.size === 0) return;
    const delayMs = this.#delayMs();
    if (delayMs === Infinity) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#unpark();
      this.#setTimer();
    }, delayMs);
    if (!this.#watch.isReferenced) this.#timer.unref();
  }

  #stopWatch(): void {
    this.#watch = undefined;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

/** Would accept be refused? */
function isFull(account: Account): boolean {
  return account.isFull("maxConnections") || account.isFull("maxDescriptors");
}
