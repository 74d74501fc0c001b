/**
 * The seam between the host and the operating system: the {@link Backend}, {@link PollSet} and {@link Clock}
 * interfaces, the words that they use, and nothing else. Everything that is not deterministic enters here.
 *
 * A call that can fail returns a number, and a negative one is `-errno` in the numbering of the platform, as in
 * libuv and in Node's own errors. Nothing here throws for what the operating system says, and nothing blocks but
 * {@link PollSet.wait} and {@link Backend.lookupSync}.
 */

/** Address family of a socket. */
export type Family = "IPv4" | "IPv6" | "unix";

/** Type of a socket: SOCK_STREAM or SOCK_DGRAM. */
export type SocketType = "stream" | "dgram";

/** Which half {@link Backend.shutdown} ends: SHUT_RD, SHUT_WR, SHUT_RDWR. */
export type ShutdownHow = "read" | "write" | "both";

/** An IPv4 or IPv6 address, or a host name where one is to be looked up. */
export interface InetAddress {
  readonly host: string;
  /** 0 to 65535. */
  readonly port: number;
  readonly path?: undefined;
}

/** The address of a Unix socket; the empty path is an unnamed one, a leading NUL Linux's abstract namespace. */
export interface UnixAddress {
  readonly path: string;
  readonly host?: undefined;
  readonly port?: undefined;
}

/** `{ host, port }` or `{ path }`. Addresses that come from the operating system are numeric. */
export type SocketAddress = InetAddress | UnixAddress;

/** A connection that {@link Backend.accept} took: non-blocking, close-on-exec. */
export interface Accepted {
  readonly fd: number;
  readonly address: SocketAddress;
}

/** A datagram's length in bytes (the data stands in the caller's buffer), and who sent it. */
export interface Received {
  readonly length: number;
  readonly address: SocketAddress;
}

/** Socket options by name; all take and give a whole number, 0 and 1 for the switches. */
export type SocketOption =
  | "SO_REUSEADDR"
  | "SO_REUSEPORT"
  | "SO_KEEPALIVE"
  | "SO_BROADCAST"
  | "SO_OOBINLINE"
  | "SO_RCVBUF"
  | "SO_SNDBUF"
  | "SO_RCVLOWAT"
  | "SO_TYPE"
  | "SO_ERROR"
  | "SO_ACCEPTCONN"
  /** Seconds that close waits for unsent data; 0 resets the connection; -1 switches lingering off. */
  | "SO_LINGER"
  | "TCP_NODELAY"
  | "IPV6_V6ONLY";

/** Bits of readiness and of interest. Interest is READ, WRITE and PRIORITY; the others may always be reported. */
export const Ready = {
  READ: 1,
  WRITE: 2,
  /** Out-of-band data (POLLPRI). */
  PRIORITY: 4,
  /** The peer is gone (POLLHUP); what it sent may still be there to read. */
  HANGUP: 8,
  /** An error is pending (POLLERR, POLLNVAL). */
  ERROR: 16,
} as const;

/** How many numbers a {@link PollSet} writes for a ready descriptor. */
export const READY_STRIDE = 4;

/** Descriptors watched together; level-triggered. One owner closes it. */
export interface PollSet {
  /**
   * Watches `fd` for `interest` (bits of {@link Ready}); 0 stops watching, and is no error for a descriptor that is
   * not watched or is closed already. A regular file is always ready.
   * @returns 0, or -errno: -EBADF for a descriptor that is not open.
   */
  update(fd: number, interest: number): number;

  /**
   * Waits until a descriptor is ready, a signal came or `timeoutMs` is over: 0 does not wait, Infinity waits without
   * end. A fraction of a millisecond is rounded up, but less than a microsecond is 0.
   * @returns how many descriptors are ready, each once, in {@link ready}; or -errno. A signal gives 0.
   */
  wait(timeoutMs: number): number;

  /**
   * What the last {@link wait} found: descriptor, {@link Ready} bits, the pending error (SO_ERROR, taken by reading
   * it) as -errno or 0, and how many bytes can be read (told only with HANGUP, otherwise -1). The array may be a
   * new one after each wait.
   */
  readonly ready: Int32Array;

  /** Is something ready whatever the operating system says (a regular file, what was read ahead)? Then waiting is needless. */
  readonly alwaysReady: boolean;

  /**
   * Calls `onReady`, from the host's own event loop and never from inside this call, when {@link wait} would find
   * something. May call again while that stays so. Keeps the host's event loop alive until stopped.
   */
  watch(onReady: () => void): Watch;

  /**
   * Allows the backend to make calls together from the next {@link wait} on, until {@link endBatch}: to read ahead what
   * has arrived, and to put off what is sent. Every call still has the effect that it would have at its place, in the
   * order of the calls. A set that gains nothing by it leaves both out.
   */
  beginBatch?(): void;

  /** Everything that was put off is done when this returns. */
  endBatch?(): void;

  /** Releases the set. The descriptors in it stay open. */
  close(): void;
}

/** A running {@link PollSet.watch}. */
export interface Watch {
  stop(): void;
}

/** Time as a backend sees it. */
export interface Clock {
  /** Nanoseconds since some fixed point, never going back; whole numbers, exact for 104 days and good to 2 ns for a year. */
  monotonicNs(): number;
  /** Nanoseconds since 1970-01-01T00:00:00Z. */
  realtimeNs(): bigint;
}

/** Answers poll and does socket operations. Descriptors are small non-negative integers. */
export interface Backend {
  /** "epoll", "poll", ... */
  readonly name: string;
  readonly clock: Clock;

  /**
   * 64 KiB or more that this backend receives into fastest. Shared by all: what is in it is good until the next call
   * of the backend.
   */
  readonly scratch: Uint8Array;

  /** "ECONNREFUSED" for -111; "E999" for a number without a name. */
  errorCode(errno: number): string;

  createPollSet(): PollSet;

  /** Makes a non-blocking, close-on-exec socket. @returns the descriptor or -errno. */
  socket(family: Family, type: SocketType): number;
  bind(fd: number, address: SocketAddress): number;
  listen(fd: number, backlog: number): number;
  /** Takes one waiting connection. -EAGAIN when there is none. */
  accept(fd: number): Accepted | number;
  /** Begins to connect. 0 when it finished at once, -EINPROGRESS when readiness to write will tell. */
  connect(fd: number, address: SocketAddress): number;
  shutdown(fd: number, how: ShutdownHow): number;

  /** Receives up to `length` bytes (default: all of it) into `target`. @returns bytes, 0 at end of input, -EAGAIN when nothing is there. */
  recv(fd: number, target: Uint8Array, length?: number): number;
  /** The same as bytes of their own, up to `maxBytes` of them; empty at end of input. @returns -errno for a failure */
  receive(fd: number, maxBytes: number): Uint8Array | number;
  /** Receives the one urgent byte (MSG_OOB) into `target`. */
  recvOutOfBand(fd: number, target: Uint8Array): number;
  /** Sends from `data`; no SIGPIPE. @returns bytes taken, -EAGAIN when none could be. */
  send(fd: number, data: Uint8Array): number;
  /** Sends several pieces in one call. @returns bytes taken of all together. */
  sendVector(fd: number, pieces: readonly Uint8Array[]): number;
  /** Sends the last byte of `data` as urgent (MSG_OOB). */
  sendOutOfBand(fd: number, data: Uint8Array): number;
  recvFrom(fd: number, target: Uint8Array): Received | number;
  sendTo(fd: number, data: Uint8Array, address: SocketAddress): number;

  getOption(fd: number, option: SocketOption): number;
  setOption(fd: number, option: SocketOption, value: number): number;
  localAddress(fd: number): SocketAddress | number;
  remoteAddress(fd: number): SocketAddress | number;
  /** The family that `fd` was made with. -ENOTSOCK for what is no socket. */
  family(fd: number): Family | number;

  /**
   * Opens a file beneath a directory in one step: no ".." and no symbolic link leads out of the directory, whatever
   * others rename meanwhile. The descriptor is close-on-exec. openat2(2) with RESOLVE_BENEATH and RESOLVE_NO_MAGICLINKS.
   * @param directory a descriptor of the directory
   * @param path relative to it, without a NUL; "." is the directory itself
   * @param flags those of open(2), in the numbering of the platform
   * @param mode the permissions of a file that is made (O_CREAT), less the process's umask
   * @returns the descriptor or -errno: -EXDEV for a path that leads out, -ENOSYS where the platform or the kernel has
   * no such call
   */
  openBeneath(directory: number, path: string, flags: number, mode: number): number;

  /** For files, pipes and terminals. */
  read(fd: number, target: Uint8Array, length?: number): number;
  write(fd: number, data: Uint8Array): number;
  /** Makes a pipe, close-on-exec and blocking as pipe(2) makes it. @returns read end and write end. */
  pipe(): readonly [readFd: number, writeFd: number] | number;
  /** Two connected Unix sockets, non-blocking, close-on-exec. */
  socketPair(type: SocketType): readonly [number, number] | number;
  /** Duplicates `fd`, close-on-exec. */
  duplicate(fd: number): number;
  setNonBlocking(fd: number, on: boolean): number;
  /**
   * Forgets what it knows of `fd`, whose owner gives it away. A backend that keeps nothing leaves it out.
   * @returns 0, or -EBUSY where the rest of what was read ahead in a batch would be lost: it is to be received first
   */
  giveAway?(fd: number): number;
  /** Is `fd` to be closed in programs that this process executes? Of those that the backend makes, all are. */
  setCloseOnExec(fd: number, on: boolean): number;
  close(fd: number): number;

  /** 4 or 6 for a numeric address, 0 for a name. "fe80::1%eth0" is numeric. */
  isNumeric(host: string): 0 | 4 | 6;
  /**
   * The first address of a host name, numeric. `family` 0 takes either.
   * @throws OSError with code ENOTFOUND (or EAI_AGAIN, ...) and syscall "getaddrinfo". Blocks.
   */
  lookupSync(host: string, family: 0 | 4 | 6): string;
  /** As {@link lookupSync}, on the host's event loop. */
  lookup(host: string, family: 0 | 4 | 6): Promise<string>;
}
