/**
 * Owns a timerfd(2): a descriptor that gets readable at a time. Knows no event loop, and not who waits for the descriptor.
 *
 * A wait that is ended by a descriptor has no timeout of its own, which the kernel would have to set and cancel for each
 * wait: as much work as receiving a short message. The alarm is set only when the time gets earlier.
 */

import { performance } from "node:perf_hooks";
import { CLOCK_MONOTONIC, SOCK_CLOEXEC, TFD_TIMER_ABSTIME } from "../constants.js";
import type { Libc, LinuxCalls } from "../libc.js";

// Bound before a test framework puts a clock of its own in the place of Node's.
const readMs = performance.now.bind(performance);

/** Times are those of CLOCK_MONOTONIC, as libuv's are. */
export class Alarm {
  readonly fd: number;
  readonly #libc: Libc;
  readonly #linux: LinuxCalls;
  /** struct itimerspec: interval, then time; each is seconds and nanoseconds, 64 bits each. */
  readonly #setting = new BigInt64Array(4);
  /** From the time of `performance` to CLOCK_MONOTONIC. */
  readonly #offsetMs: number;
  /** When it rings; Infinity if it does not. */
  #atMs = Infinity;
  /** When it rang last, of its own setting. */
  #rangAtMs = -Infinity;

  private constructor(libc: Libc, linux: LinuxCalls, fd: number) {
    this.#libc = libc;
    this.#linux = linux;
    this.fd = fd;
    const time = new BigInt64Array(2);
    const readAtMs = readMs();
    libc.clock_gettime(CLOCK_MONOTONIC, time);
    const [seconds = 0n, nanoseconds = 0n] = time;
    this.#offsetMs = Number(seconds) * 1000 + Number(nanoseconds) / 1e6 - readAtMs;
  }

  /** @returns undefined where no descriptor is left, or the kernel has no such timers */
  static open(libc: Libc, linux: LinuxCalls): Alarm | undefined {
    // TFD_CLOEXEC has the value of SOCK_CLOEXEC.
    const fd = linux.timerfd_create(CLOCK_MONOTONIC, SOCK_CLOEXEC);
    if (fd < 0) return undefined;
    const alarm = new Alarm(libc, linux, fd);
    if (alarm.#set(Infinity) === 0) return alarm;
    alarm.close();
    return undefined;
  }

  /** Is it to ring, or does it? */
  get isSet(): boolean {
    return this.#atMs !== Infinity;
  }

  /** CLOCK_MONOTONIC in milliseconds. */
  nowMs(): number {
    return readMs() + this.#offsetMs;
  }

  /** Rings at `atMs` at the latest; an alarm for an earlier time stays set. Infinity asks for none. */
  ringBy(atMs: number): void {
    if (atMs >= this.#atMs) return;
    // Who is early by less than a millisecond, as the clock that libuv may read is, must not ring again and again.
    this.#set(Math.max(atMs, this.#rangAtMs + 1));
  }

  /** It has rung: the descriptor is no longer readable. */
  silence(): void {
    this.#rangAtMs = this.#atMs;
    this.#set(Infinity);
  }

  /** It does not ring. */
  cancel(): void {
    if (this.isSet) this.#set(Infinity);
  }

  close(): void {
    this.#libc.close(this.fd);
  }

  #set(atMs: number): number {
    this.#atMs = atMs;
    const whole = atMs === Infinity ? 0 : atMs;
    this.#setting[2] = BigInt(Math.floor(whole / 1000));
    this.#setting[3] = BigInt(Math.round((whole % 1000) * 1e6));
    return this.#linux.timerfd_settime(this.fd, TFD_TIMER_ABSTIME, this.#setting, 0n);
  }
}
