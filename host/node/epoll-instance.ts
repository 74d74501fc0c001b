/**
 * Owns an epoll(7) instance: its descriptor, the calls on it, the events that the last wait has found, and what ends a
 * wait. Knows neither interest nor batches.
 */

import { OSError } from "../backend/errors.js";
import { errnos, errorCode, SOCK_CLOEXEC } from "./constants.js";
import { EPOLL_CTL_ADD, EPOLL_CTL_DEL, EVENT_FD, EVENT_TAG, EVENT_WORDS } from "./epoll-layout.js";
import type { Libc, LinuxCalls } from "./libc.js";
import { POLLIN, timeoutOf } from "./readiness.js";
import { Alarm } from "./waiting/alarm.js";
import { Found, type OwnSet } from "./waiting/own-wait.js";
import { mayBlock, waitInSlices } from "./waiting/slices.js";

export const FIRST_CAPACITY = 1024;
const LAST_CAPACITY = 65536;
/** The tag of the event loop and of the alarm; the descriptor of no channel has it. */
export const WAIT_TAG = -1;
/** Shorter waits have a timeout of their own: most of them end by it, and then an alarm, which has to be set and silenced, costs more. */
const ALARM_MS_MIN = 20;

export class EpollInstance implements OwnSet {
  readonly fd: number;
  capacity = FIRST_CAPACITY;
  /** What the last wait has found: {@link EVENT_WORDS} each. */
  events = new Int32Array(FIRST_CAPACITY * EVENT_WORDS);
  readonly #libc: Libc;
  readonly #linux: LinuxCalls;
  readonly #beforeWait: (timeoutMs: number) => number;
  #eventsAt: number;
  /** As large as V8 keeps outside of its heap, where it does not move. */
  readonly #event = new Uint32Array(32);
  readonly #eventAt: number;
  /** Opened at once, not when descriptors may be used up. */
  readonly #alarm: Alarm | undefined;
  /** The epoll set of the event loop while it is in this one; otherwise -1. */
  #hostFd = -1;
  /** How many events a wait of the watch has found for the next wait; -1 where there was none. */
  #ahead = -1;

  /**
   * @param beforeWait is called before each wait, and returns how long it may take
   * @throws OSError where no descriptor is left
   */
  constructor(libc: Libc, linux: LinuxCalls, beforeWait: (timeoutMs: number) => number) {
    this.#libc = libc;
    this.#linux = linux;
    this.#beforeWait = beforeWait;
    this.#eventAt = Number(libc.addressOf(this.#event));
    this.#eventsAt = Number(libc.addressOf(this.events));
    this.fd = linux.epoll_create1(SOCK_CLOEXEC);
    if (this.fd < 0) {
      const errno = libc.errno();
      throw new OSError(errorCode(-errno), { errno: -errno, syscall: "epoll_create1" });
    }
    this.#alarm = mayBlock ? this.#openAlarm() : undefined;
  }

  /** epoll_ctl(2). @returns 0 or a negative error number */
  control(operation: number, fd: number, events: number, tag: number): number {
    this.#event[0] = events;
    this.#event[EVENT_FD] = fd;
    this.#event[EVENT_TAG] = tag;
    return this.#linux.epoll_ctl(this.fd, operation, fd, this.#eventAt) < 0 ? -this.#libc.errno() : 0;
  }

  /**
   * Waits, unless a watch has waited already. `timeoutMs` may have a fraction or be Infinity.
   * @param isIdle is nothing ready, for certain, and nothing to be waited for?
   * @returns how many events there are, those with {@link WAIT_TAG} included, or a negative error number
   */
  wait(timeoutMs: number, isIdle: boolean): number {
    const waitMs = this.#beforeWait(timeoutMs);
    const ahead = this.#ahead;
    this.#ahead = -1;
    if (ahead >= 0) return ahead;
    if (isIdle) return 0;
    const found = this.#wait(waitMs);
    if (found >= 0) return found;
    const errno = this.#libc.errno();
    return errno === errnos.EINTR ? 0 : -errno;
  }

  /**
   * A wait has found a descriptor with {@link WAIT_TAG} beside others. If it is the alarm of an earlier wait, it must not end
   * the next one as well. In a watch its waits silence it, which have to know that it rang.
   */
  passOver(fd: number): void {
    if (this.#hostFd < 0 && fd === this.#alarm?.fd) this.#alarm.silence();
  }

  /** The buffer came back full: more may be ready than it shows. @returns whether it is larger now */
  grow(): boolean {
    if (this.capacity >= LAST_CAPACITY) return false;
    this.capacity *= 2;
    this.events = new Int32Array(this.capacity * EVENT_WORDS);
    this.#eventsAt = Number(this.#libc.addressOf(this.events));
    return true;
  }

  /** See {@link OwnSet}. */
  join(hostFd: number): boolean {
    if (this.#alarm === undefined || this.control(EPOLL_CTL_ADD, hostFd, POLLIN, WAIT_TAG) < 0) return false;
    this.#hostFd = hostFd;
    return true;
  }

  /** See {@link OwnSet}. */
  leave(): void {
    if (this.#hostFd >= 0) this.control(EPOLL_CTL_DEL, this.#hostFd, 0, WAIT_TAG);
    this.#hostFd = -1;
    this.#ahead = -1;
    // It would wake whoever else waits for this set.
    this.#alarm?.cancel();
  }

  /** See {@link OwnSet}. */
  ringBy(atMs: number): void {
    this.#alarm?.ringBy(atMs);
  }

  /** See {@link OwnSet}. */
  waitAhead(timeoutMs: number): number {
    const waitMs = this.#beforeWait(timeoutMs);
    const found = this.#epollWait(timeoutOf(waitMs));
    // An error is reported by the next wait of a turn.
    if (found < 0) return this.#libc.errno() === errnos.EINTR ? 0 : Found.OWN;
    let kinds = 0;
    let own = found;
    for (let at = 0; at < found * EVENT_WORDS; at += EVENT_WORDS) {
      if (this.events[at + EVENT_TAG] !== WAIT_TAG) continue;
      own -= 1;
      if (this.events[at + EVENT_FD] === this.#hostFd) {
        kinds |= Found.HOST;
      } else {
        kinds |= Found.ALARM;
        this.#alarm?.silence();
      }
    }
    if (own === 0) return kinds;
    this.#ahead = found;
    return kinds | Found.OWN;
  }

  /** See {@link OwnSet}. */
  dropAhead(): void {
    this.#ahead = -1;
  }

  close(): void {
    this.#alarm?.close();
    this.#libc.close(this.fd);
  }

  readonly #epollWait = (timeoutMs: number): number =>
    this.#linux.epoll_wait(this.fd, this.#eventsAt, this.capacity, timeoutMs);

  #wait(timeoutMs: number): number {
    const alarm = this.#alarm;
    if (alarm === undefined || this.#hostFd >= 0) return waitInSlices(this.#epollWait, timeoutOf(timeoutMs));
    const endsByAlarm = timeoutMs >= ALARM_MS_MIN && timeoutMs !== Infinity;
    if (!endsByAlarm && !alarm.isSet) return this.#epollWait(timeoutOf(timeoutMs));
    const endMs = timeoutMs === 0 ? 0 : alarm.nowMs() + timeoutMs;
    let leftMs = timeoutMs;
    while (true) {
      if (endsByAlarm) alarm.ringBy(Math.ceil(endMs));
      const found = this.#epollWait(endsByAlarm ? -1 : timeoutOf(leftMs));
      // It may be set for the end of an earlier wait.
      if (found !== 1 || this.events[EVENT_TAG] !== WAIT_TAG || this.events[EVENT_FD] !== alarm.fd) return found;
      alarm.silence();
      leftMs = endMs - alarm.nowMs();
      if (leftMs <= 0) return 0;
    }
  }

  #openAlarm(): Alarm | undefined {
    const alarm = Alarm.open(this.#libc, this.#linux);
    if (alarm === undefined || this.control(EPOLL_CTL_ADD, alarm.fd, POLLIN, WAIT_TAG) === 0) return alarm;
    alarm.close();
    return undefined;
  }
}
