/** Owns the seam of sockets. Knows addresses; knows no polling. */

import type { Family, SocketAddress, SocketType } from "./addresses.js";

/** A connection that {@link SocketCalls.accept} took: non-blocking, close-on-exec. */
export interface Accepted {
  readonly fd: number;
  readonly address: SocketAddress;
}

/** A datagram's length in bytes (the data is in the caller's buffer), and who sent it. */
export interface Received {
  readonly length: number;
  readonly address: SocketAddress;
}

/** A datagram, and who sent it. */
export interface Datagram {
  readonly data: Uint8Array;
  readonly address: SocketAddress;
}

/** Which half {@link SocketCalls.shutdown} ends: SHUT_RD, SHUT_WR, SHUT_RDWR. */
export type ShutdownHow = "read" | "write" | "both";

/** Socket options whose value is one whole number; 0 and 1 for switches. */
export type IntegerOption =
  | "SO_REUSEADDR"
  | "SO_REUSEPORT"
  | "SO_KEEPALIVE"
  | "SO_BROADCAST"
  | "SO_OOBINLINE"
  | "SO_RCVBUF"
  | "SO_SNDBUF"
  | "SO_RCVLOWAT"
  | "SO_ERROR"
  | "SO_ACCEPTCONN"
  | "TCP_NODELAY"
  /** Seconds without traffic after which SO_KEEPALIVE probes the peer; TCP_KEEPALIVE on macOS. */
  | "TCP_KEEPIDLE"
  /** Seconds between two probes. */
  | "TCP_KEEPINTVL"
  /** How many probes without an answer end the connection. */
  | "TCP_KEEPCNT"
  /** Milliseconds that sent data may stay unacknowledged; 0: the system's default. Linux. */
  | "TCP_USER_TIMEOUT"
  | "IP_TOS"
  | "IP_TTL"
  | "IP_MULTICAST_TTL"
  | "IP_MULTICAST_LOOP"
  | "IPV6_V6ONLY"
  | "IPV6_TCLASS"
  | "IPV6_UNICAST_HOPS"
  | "IPV6_MULTICAST_HOPS"
  | "IPV6_MULTICAST_LOOP";

/** Socket options that a `Socket` of this package has by name. */
export type SocketOption =
  | IntegerOption
  | "SO_TYPE"
  /** Seconds that close waits for unsent data; 0 resets the connection; -1 switches lingering off. */
  | "SO_LINGER";

/** struct linger: what close does with data that has not been sent. */
export interface Linger {
  readonly on: boolean;
  /** While on: how long close waits; 0 resets the connection. */
  readonly seconds: number;
}

export interface SocketCalls {
  /** Makes a non-blocking, close-on-exec socket. @returns the descriptor or -errno */
  socket(family: Family, type: SocketType): number;
  /** Two connected Unix sockets, non-blocking, close-on-exec. */
  socketPair(type: SocketType): readonly [number, number] | number;
  bind(fd: number, address: SocketAddress): number;
  listen(fd: number, backlog: number): number;
  /** Takes one waiting connection. -EAGAIN when there is none. */
  accept(fd: number): Accepted | number;
  /** Begins to connect. 0 when it finished at once, -EINPROGRESS when it ends later, with readiness to write. */
  connect(fd: number, address: SocketAddress): number;
  shutdown(fd: number, how: ShutdownHow): number;

  /**
   * Receives up to `length` bytes (default, and at most: all of it) into `target`.
   * @returns bytes, 0 at end of input, -EAGAIN when nothing has arrived
   */
  recv(fd: number, target: Uint8Array, length?: number): number;
  /** What {@link recv} would receive, which stays unread (MSG_PEEK). Of a datagram, its beginning. */
  peek(fd: number, target: Uint8Array, length?: number): number;
  /** Receives up to `maxBytes`, and returns them as an array of their own; empty at end of input. @returns -errno for a failure */
  receive(fd: number, maxBytes: number): Uint8Array | number;
  /** Receives one datagram of up to `length` bytes (default, and at most: all of it) into `target`; what is longer is cut. */
  recvFrom(fd: number, target: Uint8Array, length?: number): Received | number;
  /** Receives one datagram of up to `maxBytes`, as an array of its own; what is longer is cut. @returns -errno for a failure */
  receiveFrom(fd: number, maxBytes: number): Datagram | number;
  /** Receives the one urgent byte (MSG_OOB) into `target`. */
  recvOutOfBand(fd: number, target: Uint8Array): number;

  /** Sends from `data`; no SIGPIPE. @returns bytes taken, -EAGAIN when none could be */
  send(fd: number, data: Uint8Array): number;
  /** Sends several pieces in one call. @returns bytes taken of all together */
  sendVector(fd: number, pieces: readonly Uint8Array[]): number;
  /** Sends the last byte of `data` as urgent (MSG_OOB). */
  sendOutOfBand(fd: number, data: Uint8Array): number;
  sendTo(fd: number, data: Uint8Array, address: SocketAddress): number;

  getOption(fd: number, option: IntegerOption): number;
  setOption(fd: number, option: IntegerOption, value: number): number;
  /** SO_LINGER. */
  getLinger(fd: number): Linger | number;
  setLinger(fd: number, linger: Linger): number;
  /** The type that `fd` was made with. -ENOTSOCK for what is no socket. */
  socketType(fd: number): SocketType | number;
  /** The family that `fd` was made with. -ENOTSOCK for what is no socket. */
  family(fd: number): Family | number;
  localAddress(fd: number): SocketAddress | number;
  remoteAddress(fd: number): SocketAddress | number;
}
