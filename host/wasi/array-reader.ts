/**
 * Owns reading a whole array of WASI subscriptions: differences from the previous call are passed on to {@link Watched},
 * and the clocks become one timeout. Knows the WASI layout; knows no change log.
 */

import { Ready, type Clock } from "../backend/backend.js";
import { ERRNO_BADF, ERRNO_INVAL, ERRNO_NOTSUP, ERRNO_SUCCESS } from "./errno.js";
import { CLOCK_ABSTIME, ClockId, Event, EventType, Subscription } from "./layout.js";
import { InterestTable } from "./interest-table.js";
import type { Watched } from "./watched.js";

const NS_PER_MS = 1e6;
/** No process has more descriptors. A larger number from a module is a bad descriptor, and must not grow a table. */
const DESCRIPTOR_MAX = 0xfffff;

/** For a module without a descriptor table: its descriptors are the backend's. */
const sameDescriptor = (fd: number): number => fd;

/** A subscription whose event {@link ArrayReader} writes itself: a clock, or one that cannot be served. */
interface PendingEvent {
  readonly userdata: bigint;
  readonly type: number;
  readonly error: number;
  /** Of the monotonic clock. */
  readonly deadlineNs: number;
}

export class ArrayReader {
  readonly #watched: Watched;
  readonly #clock: Clock;
  readonly #descriptorOf: (fd: number) => number;
  /** What this call and the previous one watch. */
  #now = new InterestTable();
  #before = new InterestTable();
  readonly #clocks: PendingEvent[] = [];
  readonly #refused: PendingEvent[] = [];

  /** @param descriptorOf maps a module's descriptor to the backend's; negative where none is open */
  constructor(watched: Watched, clock: Clock, descriptorOf = sameDescriptor) {
    this.#watched = watched;
    this.#clock = clock;
    this.#descriptorOf = descriptorOf;
  }

  /** Reads `count` subscriptions. */
  read(view: DataView, subscriptionsAt: number, count: number): void {
    this.#clocks.length = 0;
    this.#refused.length = 0;
    this.#watched.unshare();
    for (let i = 0, at = subscriptionsAt; i < count; i++, at += Subscription.SIZE) {
      const tag = view.getUint8(at + Subscription.TAG);
      if (tag === EventType.CLOCK) this.#readClock(view, at);
      else if (tag === EventType.FD_READ || tag === EventType.FD_WRITE) this.#readDescriptor(view, at, tag);
      else this.#refuse(view, at, tag, ERRNO_INVAL);
    }
    this.#compare();
  }

  /** How long the call may wait, in milliseconds; Infinity where no clock limits it. */
  remainingMs(): number {
    if (this.#refused.length > 0) return 0;
    const nowNs = this.#clocks.length > 0 ? this.#clock.monotonicNs() : 0;
    let timeoutMs = Infinity;
    for (const { deadlineNs } of this.#clocks) {
      timeoutMs = Math.min(timeoutMs, Math.max(0, deadlineNs - nowNs) / NS_PER_MS);
    }
    return timeoutMs;
  }

  /** The module has closed the backend's descriptor `fd`: the number may belong to another file from now on. */
  forget(fd: number): void {
    if (this.#before.delete(fd)) this.#watched.watch(fd, 0);
  }

  /** Writes an event for each clock that is due and each invalid subscription. @returns where the events end. */
  writePending(view: DataView, eventsAt: number): number {
    const nowNs = this.#clocks.length > 0 ? this.#clock.monotonicNs() : 0;
    let at = eventsAt;
    for (const refused of this.#refused) at = write(view, at, refused);
    for (const clock of this.#clocks) if (clock.deadlineNs <= nowNs) at = write(view, at, clock);
    return at;
  }

  #readClock(view: DataView, at: number): void {
    const userdata = view.getBigUint64(at + Subscription.USERDATA, true);
    const clock = view.getUint32(at + Subscription.ID, true);
    const timeout = view.getBigUint64(at + Subscription.TIMEOUT, true);
    const absolute = (view.getUint16(at + Subscription.FLAGS, true) & CLOCK_ABSTIME) !== 0;
    const nowNs = this.#clock.monotonicNs();
    let deadlineNs: number;
    if (clock === ClockId.MONOTONIC) deadlineNs = Number(timeout) + (absolute ? 0 : nowNs);
    else if (clock === ClockId.REALTIME) {
      deadlineNs = nowNs + Number(absolute ? timeout - this.#clock.realtimeNs() : timeout);
    } else {
      // POSIX, clock_nanosleep: ENOTSUP for a clock that cannot be waited for, such as one of CPU time.
      return this.#refuse(view, at, EventType.CLOCK, clock <= ClockId.THREAD_CPUTIME ? ERRNO_NOTSUP : ERRNO_INVAL);
    }
    this.#clocks.push({ userdata, type: EventType.CLOCK, error: ERRNO_SUCCESS, deadlineNs });
  }

  #readDescriptor(view: DataView, at: number, tag: number): void {
    const fd = this.#descriptorOf(view.getUint32(at + Subscription.ID, true));
    if (fd < 0 || fd > DESCRIPTOR_MAX) return this.#refuse(view, at, tag, ERRNO_BADF);
    const low = view.getInt32(at + Subscription.USERDATA, true);
    const high = view.getInt32(at + Subscription.USERDATA + 4, true);
    const write = tag === EventType.FD_WRITE;
    const direction = write ? Ready.WRITE : Ready.READ;
    const known = this.#now.get(fd);
    if ((known & direction) !== 0) return this.#watched.share(fd, write, low, high);
    this.#watched.own(fd, write, low, high);
    this.#now.set(fd, known | direction);
  }

  #refuse(view: DataView, at: number, type: number, error: number): void {
    const userdata = view.getBigUint64(at + Subscription.USERDATA, true);
    this.#refused.push({ userdata, type, error, deadlineNs: 0 });
  }

  /** Passes on the differences from the previous call. A descriptor that was refused is tried again at each call. */
  #compare(): void {
    const now = this.#now;
    const before = this.#before;
    for (let i = 0; i < now.length; i++) {
      const fd = now.at(i);
      const interest = now.get(fd);
      if (before.get(fd) !== interest) this.#watched.watch(fd, interest);
      before.delete(fd);
    }
    for (let i = 0; i < before.length; i++) {
      const fd = before.at(i);
      if (before.delete(fd)) this.#watched.watch(fd, 0);
    }
    for (const { fd } of this.#watched.failures) now.delete(fd);
    before.clear();
    this.#before = now;
    this.#now = before;
  }
}

function write(view: DataView, at: number, { userdata, type, error }: PendingEvent): number {
  view.setBigUint64(at + Event.USERDATA, userdata, true);
  // The same bytes as of the event of a descriptor: what is beneath is part of what a guest computes with.
  view.setUint32(at + Event.ERROR, error | (type << 16), true);
  view.setBigUint64(at + Event.NBYTES, 0n, true);
  view.setUint32(at + Event.FLAGS, 0, true);
  return at + Event.SIZE;
}
