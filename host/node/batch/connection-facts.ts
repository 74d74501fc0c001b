/**
 * Owns the queries to the kernel about a connection, made before calls on it are batched. Knows no record and no batch.
 *
 * ```
 * SO_MEMINFO   0          4         8           12       16        20
 *              | received | rcvbuf  | written   | sndbuf | forward | queued | ...
 * ```
 */

import {
  F_GETFL,
  IPPROTO_TCP,
  type PlatformConstants,
  SO_MEMINFO,
  SO_PROTOCOL,
  socketLevel,
  TCP_INFO,
  TCP_NOTSENT_LOWAT,
} from "../constants.js";
import type { Libc, LinuxCalls } from "../libc.js";
import { Batching } from "./record.js";
import { files } from "../../backend/unhooked.js";

/** Values of `tcpi_state`, the first byte of struct tcp_info. */
const TCP_ESTABLISHED = 1;
const TCP_CLOSE_WAIT = 8;

/** In 32-bit words, of SO_MEMINFO. */
const SEND_BUFFER = 3;
const QUEUED = 5;

/** Upper bound of the kernel's overhead for one send: struct sk_buff, the header of its data, and alignment. */
const SEND_OVERHEAD_BYTES = 1536;

/** How much of its memory the kernel uses for one send of `length` bytes, at most. */
export function costOf(length: number): number {
  return length + SEND_OVERHEAD_BYTES;
}

/** The default of TCP_NOTSENT_LOWAT, which getsockopt(2) does not return; Infinity where there is no limit. */
function defaultNotSentLimit(): number {
  try {
    const limit = Number(files.readFileSync("/proc/sys/net/ipv4/tcp_notsent_lowat", "latin1"));
    return limit >= 0x7fffffff ? Infinity : limit;
  } catch {
    return Infinity;
  }
}

export class ConnectionFacts {
  readonly #libc: Libc;
  readonly #linux: LinuxCalls;
  readonly #nonBlocking: number;
  readonly #socketLevel: number;
  readonly #value = new Int32Array(16);
  readonly #length = new Uint32Array(1);
  readonly #valueAt: number;
  readonly #lengthAt: number;
  #notSentLimit: number | undefined;

  constructor(libc: Libc, linux: LinuxCalls, constants: PlatformConstants) {
    this.#libc = libc;
    this.#linux = linux;
    this.#nonBlocking = constants.O_NONBLOCK;
    this.#socketLevel = socketLevel(constants);
    this.#valueAt = Number(libc.addressOf(this.#value));
    this.#lengthAt = Number(libc.addressOf(this.#length));
  }

  /** One of {@link Batching}; UNKNOWN for a TCP socket that is not connected yet. */
  batchingOf(fd: number): number {
    if (this.#read(fd, this.#socketLevel, SO_PROTOCOL) !== IPPROTO_TCP) return Batching.REFUSED;
    if ((this.#libc.fcntl(fd, F_GETFL, 0) & this.#nonBlocking) === 0) return Batching.REFUSED;
    // The socket has a limit of its own.
    if (this.#read(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT) !== 0) return Batching.REFUSED;
    const state = this.#read(fd, IPPROTO_TCP, TCP_INFO) & 0xff;
    return state === TCP_ESTABLISHED || state === TCP_CLOSE_WAIT ? Batching.ALLOWED : Batching.UNKNOWN;
  }

  /**
   * How much of the kernel's memory `fd` may use for sends that are batched: half of what is free, because the kernel
   * shrinks a buffer when it is short of memory. 0 where it is not known.
   */
  roomOf(fd: number): number {
    if (this.#read(fd, this.#socketLevel, SO_MEMINFO) < 0) return 0;
    const queued = this.#value[QUEUED] ?? 0;
    const room = ((this.#value[SEND_BUFFER] ?? 0) - queued) >> 1;
    this.#notSentLimit ??= defaultNotSentLimit();
    if (this.#notSentLimit === Infinity) return room;
    // The kernel does not say how much of what is queued is unsent. Only if nothing is queued is it known: nothing.
    return queued === 0 ? Math.min(room, this.#notSentLimit) : 0;
  }

  /** @returns the first word of the option's value; -1 where there is no such option */
  #read(fd: number, level: number, option: number): number {
    this.#length[0] = this.#value.byteLength;
    if (this.#linux.getsockoptAt(fd, level, option, this.#valueAt, this.#lengthAt) < 0) return -1;
    return this.#value[0] ?? -1;
  }
}
