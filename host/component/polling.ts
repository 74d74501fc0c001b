/**
 * Owns the waits of a component: `wasi:io/poll`, and the calls that block. Knows the backend seam and what is waited for; knows
 * no stream and no socket.
 *
 * A wait watches what it was asked for, and nothing else: interest that the last wait did not have is added, and what this one
 * does not ask for is removed, so that the backend's set changes only where the component's list does.
 */

import { type Backend, type PollSet, Ready, ReadyRow } from "../backend/backend.js";
import { Trap } from "./trap.js";
import type { Notice, Source, Unsent, Watch } from "./watch.js";

const NS_PER_MS = 1e6;
/** From so many on, watches whose notices are gone are looked for. */
const LACKING_MIN = 64;

export class Poller {
  readonly #backend: Backend;
  readonly #set: PollSet;
  /**
   * For a look at one descriptor: the set of the waits does not change for it. Made with the other one: a component that runs
   * out of descriptors must still be able to say so.
   */
  readonly #single: PollSet;
  readonly #unsent = new Map<Watch, Unsent>();
  readonly #byFd = new Map<number, Watch>();
  #registered: Watch[] = [];
  #touched: Watch[] = [];
  /** Their notices want more than the set watches them for. */
  readonly #lacking: Watch[] = [];
  #due: Notice[] = [];
  #awaited = 0;
  #epoch = 0;

  constructor(backend: Backend) {
    this.#backend = backend;
    this.#set = backend.createPollSet();
    try {
      this.#single = backend.createPollSet();
    } catch (error) {
      this.#set.close();
      throw error;
    }
  }

  get nowNs(): number {
    return this.#backend.clock.monotonicNs();
  }

  /** Each wait sends of it, until it says that nothing is left. */
  addUnsent(unsent: Unsent): void {
    this.#unsent.set(unsent.watch, unsent);
  }

  /** The descriptor is about to be closed. @param next takes its place for those who await it */
  forget(watch: Watch, next?: Watch): void {
    if (watch.registered !== 0) this.#set.update(watch.fd, 0);
    watch.registered = 0;
    if (this.#byFd.get(watch.fd) === watch) this.#byFd.delete(watch.fd);
    for (const notice of [...watch.notices]) {
      this.withdraw(notice);
      if (next === undefined) continue;
      notice.watch = next;
      this.await(notice);
    }
  }

  /** Every wait watches its descriptor, until it has called back or is withdrawn. */
  await(notice: Notice): void {
    if (notice.isAwaited) return;
    notice.isAwaited = true;
    this.#awaited += 1;
    const { watch, interest } = notice;
    watch.add(notice);
    if (watch.isLacking || (watch.registered & interest) === interest) return;
    watch.isLacking = true;
    // A component may begin and cancel without ever waiting.
    if (this.#lacking.push(watch) > LACKING_MIN + 2 * this.#awaited) this.#reviewLacking();
  }

  withdraw(notice: Notice): void {
    if (!notice.isAwaited) return;
    notice.isAwaited = false;
    this.#awaited -= 1;
    notice.watch.remove(notice);
  }

  /** Is there anything that a wait might notify of? */
  get isAwaiting(): boolean {
    return this.#awaited > 0 || this.#unsent.size > 0;
  }

  /** One wait, for what is awaited, of `timeoutMs` at most. */
  turn(timeoutMs: number): void {
    this.#wait([], timeoutMs);
  }

  /** Waits until one of them is ready. @returns the indices of those that are, at least one */
  poll(sources: readonly Source[]): number[] {
    while (true) {
      this.#wait(sources, Infinity);
      const nowNs = this.nowNs;
      const found: number[] = [];
      for (let index = 0; index < sources.length; index++) {
        if (this.#isReady(sources[index] as Source, nowNs)) found.push(index);
      }
      if (found.length > 0) return found;
    }
  }

  /** Does not wait. */
  isReady(source: Source): boolean {
    const { watch } = source;
    if (source.isImmediate()) return true;
    if (watch === undefined || !this.#look(watch, source.interest)) return this.nowNs >= source.deadlineNs;
    if (this.#unsent.get(watch)?.flush() === true) this.#unsent.delete(watch);
    return true;
  }

  block(source: Source): void {
    this.poll([source]);
  }

  /** Waits until everything is sent, or `timeoutMs` is over. */
  flush(timeoutMs: number): void {
    const untilNs = this.nowNs + timeoutMs * NS_PER_MS;
    while (this.#unsent.size > 0) {
      const leftMs = (untilNs - this.nowNs) / NS_PER_MS;
      if (leftMs <= 0) return;
      this.#wait([], leftMs);
    }
  }

  /** Output that is not sent by now is lost. */
  close(): void {
    for (const unsent of this.#unsent.values()) unsent.abandon();
    this.#unsent.clear();
    this.#set.close();
    this.#single.close();
  }

  /** Is it ready for this interest, or broken? */
  #look(watch: Watch, interest: number): boolean {
    const set = this.#single;
    if (set.update(watch.fd, interest) < 0) return true;
    let count = 1;
    // A regular file or the null device is always ready. A supervisor takes a wait for the end of a turn, and the first one for
    // the end of the start: to write a line is neither.
    if (!set.alwaysReady) {
      count = set.wait(0);
      const error = count > 0 ? (set.ready[ReadyRow.ERROR] ?? 0) : 0;
      if (error !== 0) watch.error = error;
    }
    set.update(watch.fd, 0);
    if (count < 0) throw this.#cannotWait(count);
    return count > 0;
  }

  #cannotWait(errno: number): Trap {
    return new Trap(`it cannot wait: ${this.#backend.errorCode(errno)}`);
  }

  #isReady(source: Source, nowNs: number): boolean {
    const { watch } = source;
    if (watch !== undefined) {
      const asked = source.interest | Ready.HANGUP | Ready.ERROR;
      if (watch.isBroken || (watch.readyEpoch === this.#epoch && (watch.ready & asked) !== 0)) return true;
    }
    return nowNs >= source.deadlineNs || source.isImmediate();
  }

  #wait(sources: readonly Source[], timeoutMs: number): void {
    this.#epoch += 1;
    let isImmediate = timeoutMs === 0;
    let deadlineNs = Infinity;
    for (let index = 0; index < sources.length; index++) {
      const source = sources[index] as Source;
      if (source.isImmediate()) isImmediate = true;
      else if (source.watch !== undefined) this.#want(source.watch, source.interest);
      if (source.deadlineNs < deadlineNs) deadlineNs = source.deadlineNs;
    }
    for (const watch of this.#unsent.keys()) this.#want(watch, Ready.WRITE);
    if (this.#register()) isImmediate = true;
    if (this.#lacking.length > 0 && this.#supply()) isImmediate = true;
    const untilMs = deadlineNs === Infinity ? Infinity : Math.max(0, (deadlineNs - this.nowNs) / NS_PER_MS);
    const count = this.#set.wait(isImmediate ? 0 : Math.min(timeoutMs, untilMs));
    if (count < 0) throw this.#cannotWait(count);
    const { ready } = this.#set;
    for (let row = 0, at = 0; row < count; row++, at += ReadyRow.STRIDE) {
      const watch = this.#byFd.get(ready[at + ReadyRow.FD] ?? -1);
      if (watch === undefined) continue;
      watch.ready = ready[at + ReadyRow.BITS] ?? 0;
      watch.readyEpoch = this.#epoch;
      const error = ready[at + ReadyRow.ERROR] ?? 0;
      if (error !== 0) watch.error = error;
      // Nobody has asked for this, or not any more: another wait would end at once by it. One that does not wait may come before
      // it is asked for again.
      if (!this.#notify(watch, watch.ready) && watch.epoch !== this.#epoch && timeoutMs !== 0)
        this.#update(watch, watch.standing);
    }
    if (this.#unsent.size > 0)
      for (const [watch, unsent] of this.#unsent) if (unsent.flush()) this.#unsent.delete(watch);
    if (this.#due.length > 0) this.#callBack();
  }

  /** Keeps those that have notices: not more than these. */
  #reviewLacking(): void {
    let kept = 0;
    for (const watch of this.#lacking) {
      watch.isLacking = (watch.standing & ~watch.registered) !== 0;
      if (watch.isLacking) this.#lacking[kept++] = watch;
    }
    this.#lacking.length = kept;
  }

  /** Has the set watch what notices want in addition. @returns is there one that cannot be watched? */
  #supply(): boolean {
    let isBroken = false;
    for (const watch of this.#lacking) {
      watch.isLacking = false;
      if ((watch.standing & ~watch.registered) === 0) continue;
      this.#update(watch, watch.registered | watch.standing);
      if (watch.isBroken) isBroken = this.#notify(watch, Ready.ERROR) || isBroken;
    }
    this.#lacking.length = 0;
    return isBroken;
  }

  #update(watch: Watch, interest: number): void {
    watch.isBroken = watch.fd < 0 || this.#set.update(watch.fd, interest) < 0;
    watch.registered = watch.isBroken ? 0 : interest;
    if (watch.registered === 0) this.#byFd.delete(watch.fd);
    else this.#byFd.set(watch.fd, watch);
  }

  /** @returns is there a notice that these bits are for? */
  #notify(watch: Watch, bits: number): boolean {
    let isAny = false;
    for (const notice of watch.notices) {
      if ((bits & (notice.interest | Ready.HANGUP | Ready.ERROR)) === 0) continue;
      this.#due.push(notice);
      isAny = true;
    }
    return isAny;
  }

  #callBack(): void {
    const due = this.#due;
    this.#due = [];
    for (const notice of due) {
      if (!notice.isAwaited) continue;
      this.withdraw(notice);
      notice.run();
    }
  }

  #want(watch: Watch, interest: number): void {
    if (watch.epoch !== this.#epoch) {
      watch.epoch = this.#epoch;
      watch.wanted = 0;
      this.#touched.push(watch);
    }
    watch.wanted |= interest;
  }

  /** Has the set watch what this wait wants. @returns is there one that cannot be watched? */
  #register(): boolean {
    for (const watch of this.#registered) {
      if (watch.epoch !== this.#epoch && watch.registered !== watch.standing) this.#update(watch, watch.standing);
    }
    let isBroken = false;
    for (const watch of this.#touched) {
      const interest = watch.wanted | watch.standing;
      if (interest !== watch.registered) this.#update(watch, interest);
      isBroken ||= watch.isBroken;
    }
    const before = this.#registered;
    this.#registered = this.#touched;
    before.length = 0;
    this.#touched = before;
    return isBroken;
  }
}
