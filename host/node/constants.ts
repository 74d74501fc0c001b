/**
 * Owns the numbers that differ from platform to platform, and the names of error numbers. Knows no call.
 * The values are those of the platforms' own headers: Linux's generic ones (x86, Arm, RISC-V and LoongArch share
 * them), macOS's and FreeBSD's.
 */

import { constants as os } from "node:os";
import { getSystemErrorName } from "node:util";
import type { SocketOption, TextOption } from "../backend/backend.js";

/** An option, as libc names it. */
export type OptionNumbers = readonly [level: number, option: number];

/** The options of multicast groups, by family. */
export interface MulticastConstants {
  readonly membership4: readonly [level: number, join: number, leave: number];
  readonly membership6: readonly [level: number, join: number, leave: number];
  readonly interface4: OptionNumbers;
  readonly interface6: OptionNumbers;
}

/** The numbers of one platform. */
export interface PlatformConstants {
  readonly AF_INET6: number;
  /** 0 where the platform has SO_NOSIGPIPE instead. */
  readonly MSG_NOSIGNAL: number;
  /** 0 where the platform has MSG_NOSIGNAL instead. */
  readonly SO_NOSIGPIPE: number;
  /** The option that gives the family of a socket; 0 where there is none. */
  readonly SO_DOMAIN: number;
  readonly O_NONBLOCK: number;
  readonly F_DUPFD_CLOEXEC: number;
  readonly FIONREAD: number;
  readonly CLOCK_THREAD_CPUTIME_ID: number;
  /** The level is -1 for an option that the platform does not have. */
  readonly options: Readonly<Record<SocketOption, OptionNumbers>>;
  readonly textOptions: Readonly<Record<TextOption, OptionNumbers>>;
  readonly multicast: MulticastConstants;
  /** Bytes of `sun_path`, its NUL included. */
  readonly unixPathBytes: number;
  /** Does a sockaddr begin with its own length (BSD) rather than with a 16-bit family? */
  readonly addressHasLength: boolean;
  /** Offset of `ai_addr` in struct addrinfo. */
  readonly addrinfoAddress: number;
  /** What getaddrinfo returns: its name. */
  readonly addrinfoErrors: Readonly<Record<number, string>>;
}

export const AF_UNIX = 1;
export const AF_INET = 2;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const MSG_OOB = 1;
export const MSG_PEEK = 2;
export const IOV_MAX = 1024;
export const F_SETFD = 2;
export const F_GETFL = 3;
export const F_SETFL = 4;
export const FD_CLOEXEC = 1;
export const CLOCK_REALTIME = 0;
/** Linux's, for the type argument of socket(2) and the flags of accept4(2) and pipe2(2). */
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;

/** Linux's, for timerfd_create(2) and timerfd_settime(2). */
export const CLOCK_MONOTONIC = 1;
export const TFD_TIMER_ABSTIME = 1;

/** Options that are used on Linux only. */
export const SO_PROTOCOL = 38;
export const SO_MEMINFO = 55;
export const TCP_INFO = 11;
export const TCP_NOTSENT_LOWAT = 25;
export const IPPROTO_TCP = 6;
const IPPROTO_IP = 0;
const IPPROTO_IPV6 = 41;
const NONE: OptionNumbers = [-1, 0];

const LINUX: PlatformConstants = {
  AF_INET6: 10,
  MSG_NOSIGNAL: 0x4000,
  SO_NOSIGPIPE: 0,
  SO_DOMAIN: 39,
  O_NONBLOCK: 0o4000,
  F_DUPFD_CLOEXEC: 1030,
  FIONREAD: 0x541b,
  CLOCK_THREAD_CPUTIME_ID: 3,
  options: {
    SO_REUSEADDR: [1, 2],
    SO_REUSEPORT: [1, 15],
    SO_KEEPALIVE: [1, 9],
    SO_BROADCAST: [1, 6],
    SO_OOBINLINE: [1, 10],
    SO_RCVBUF: [1, 8],
    SO_SNDBUF: [1, 7],
    SO_RCVLOWAT: [1, 18],
    SO_TYPE: [1, 3],
    SO_ERROR: [1, 4],
    SO_ACCEPTCONN: [1, 30],
    SO_LINGER: [1, 13],
    TCP_NODELAY: [IPPROTO_TCP, 1],
    TCP_KEEPIDLE: [IPPROTO_TCP, 4],
    TCP_KEEPINTVL: [IPPROTO_TCP, 5],
    TCP_KEEPCNT: [IPPROTO_TCP, 6],
    TCP_USER_TIMEOUT: [IPPROTO_TCP, 18],
    IP_TOS: [IPPROTO_IP, 1],
    IP_TTL: [IPPROTO_IP, 2],
    IP_MULTICAST_TTL: [IPPROTO_IP, 33],
    IP_MULTICAST_LOOP: [IPPROTO_IP, 34],
    IPV6_V6ONLY: [IPPROTO_IPV6, 26],
    IPV6_TCLASS: [IPPROTO_IPV6, 67],
    IPV6_UNICAST_HOPS: [IPPROTO_IPV6, 16],
    IPV6_MULTICAST_HOPS: [IPPROTO_IPV6, 18],
    IPV6_MULTICAST_LOOP: [IPPROTO_IPV6, 19],
  },
  textOptions: { SO_BINDTODEVICE: [1, 25], TCP_CONGESTION: [IPPROTO_TCP, 13] },
  multicast: {
    membership4: [IPPROTO_IP, 35, 36],
    membership6: [IPPROTO_IPV6, 20, 21],
    interface4: [IPPROTO_IP, 32],
    interface6: [IPPROTO_IPV6, 17],
  },
  unixPathBytes: 108,
  addressHasLength: false,
  addrinfoAddress: 24,
  addrinfoErrors: {
    [-1]: "EAI_BADFLAGS",
    [-2]: "EAI_NONAME",
    [-3]: "EAI_AGAIN",
    [-4]: "EAI_FAIL",
    [-5]: "EAI_NODATA",
    [-6]: "EAI_FAMILY",
    [-7]: "EAI_SOCKTYPE",
    [-8]: "EAI_SERVICE",
    [-9]: "EAI_ADDRFAMILY",
    [-10]: "EAI_MEMORY",
    [-11]: "EAI_SYSTEM",
    [-12]: "EAI_OVERFLOW",
  },
};

const SOL_SOCKET_BSD = 0xffff;

const FREEBSD: PlatformConstants = {
  AF_INET6: 28,
  MSG_NOSIGNAL: 0x20000,
  SO_NOSIGPIPE: 0,
  SO_DOMAIN: 0x1019,
  O_NONBLOCK: 4,
  F_DUPFD_CLOEXEC: 17,
  FIONREAD: 0x4004667f,
  CLOCK_THREAD_CPUTIME_ID: 14,
  options: {
    SO_REUSEADDR: [SOL_SOCKET_BSD, 4],
    SO_REUSEPORT: [SOL_SOCKET_BSD, 0x200],
    SO_KEEPALIVE: [SOL_SOCKET_BSD, 8],
    SO_BROADCAST: [SOL_SOCKET_BSD, 0x20],
    SO_OOBINLINE: [SOL_SOCKET_BSD, 0x100],
    SO_RCVBUF: [SOL_SOCKET_BSD, 0x1002],
    SO_SNDBUF: [SOL_SOCKET_BSD, 0x1001],
    SO_RCVLOWAT: [SOL_SOCKET_BSD, 0x1004],
    SO_TYPE: [SOL_SOCKET_BSD, 0x1008],
    SO_ERROR: [SOL_SOCKET_BSD, 0x1007],
    SO_ACCEPTCONN: [SOL_SOCKET_BSD, 2],
    SO_LINGER: [SOL_SOCKET_BSD, 0x80],
    TCP_NODELAY: [IPPROTO_TCP, 1],
    TCP_KEEPIDLE: [IPPROTO_TCP, 256],
    TCP_KEEPINTVL: [IPPROTO_TCP, 512],
    TCP_KEEPCNT: [IPPROTO_TCP, 1024],
    TCP_USER_TIMEOUT: NONE,
    IP_TOS: [IPPROTO_IP, 3],
    IP_TTL: [IPPROTO_IP, 4],
    IP_MULTICAST_TTL: [IPPROTO_IP, 10],
    IP_MULTICAST_LOOP: [IPPROTO_IP, 11],
    IPV6_V6ONLY: [IPPROTO_IPV6, 27],
    IPV6_TCLASS: [IPPROTO_IPV6, 61],
    IPV6_UNICAST_HOPS: [IPPROTO_IPV6, 4],
    IPV6_MULTICAST_HOPS: [IPPROTO_IPV6, 10],
    IPV6_MULTICAST_LOOP: [IPPROTO_IPV6, 11],
  },
  textOptions: { SO_BINDTODEVICE: NONE, TCP_CONGESTION: [IPPROTO_TCP, 64] },
  multicast: {
    membership4: [IPPROTO_IP, 12, 13],
    membership6: [IPPROTO_IPV6, 12, 13],
    interface4: [IPPROTO_IP, 9],
    interface6: [IPPROTO_IPV6, 9],
  },
  unixPathBytes: 104,
  addressHasLength: true,
  addrinfoAddress: 32,
  addrinfoErrors: {
    1: "EAI_ADDRFAMILY",
    2: "EAI_AGAIN",
    3: "EAI_BADFLAGS",
    4: "EAI_FAIL",
    5: "EAI_FAMILY",
    6: "EAI_MEMORY",
    7: "EAI_NODATA",
    8: "EAI_NONAME",
    9: "EAI_SERVICE",
    10: "EAI_SOCKTYPE",
    11: "EAI_SYSTEM",
    14: "EAI_OVERFLOW",
  },
};

const DARWIN: PlatformConstants = {
  ...FREEBSD,
  AF_INET6: 30,
  MSG_NOSIGNAL: 0,
  SO_NOSIGPIPE: 0x1022,
  SO_DOMAIN: 0,
  F_DUPFD_CLOEXEC: 67,
  CLOCK_THREAD_CPUTIME_ID: 16,
  // SO_LINGER counts in ticks there; this is SO_LINGER_SEC.
  options: {
    ...FREEBSD.options,
    SO_LINGER: [SOL_SOCKET_BSD, 0x1080],
    TCP_KEEPIDLE: [IPPROTO_TCP, 0x10],
    TCP_KEEPINTVL: [IPPROTO_TCP, 0x101],
    TCP_KEEPCNT: [IPPROTO_TCP, 0x102],
    IPV6_TCLASS: [IPPROTO_IPV6, 36],
  },
  textOptions: { SO_BINDTODEVICE: NONE, TCP_CONGESTION: NONE },
};

/** The numbers of the platform that this process runs on; {@link loadLibc} has checked that it is supported. */
export function platformConstants(): PlatformConstants {
  if (process.platform === "darwin") return DARWIN;
  return process.platform === "freebsd" ? FREEBSD : LINUX;
}

/** Level of the options that every socket has. */
export function socketLevel(constants: PlatformConstants): number {
  return constants.options.SO_TYPE[0];
}

/** Positive, as errno gives them. */
export const errnos = os.errno;

/** libc has several names for some numbers; libuv's are the ones in Node's own errors. */
const NAMES_OF_LIBC: ReadonlyMap<number, string> = new Map(
  Object.entries(os.errno).map(([name, errno]): [number, string] => [errno, name]),
);

/** Names of libuv that have been looked up: a full or an empty socket is an error of every such call. */
const knownNames = new Map<number, string>();

/** "ECONNREFUSED" for -111; "E999" for a number without a name. */
export function errorCode(errno: number): string {
  const known = knownNames.get(errno);
  if (known !== undefined) return known;
  const name = errno < 0 ? getSystemErrorName(errno) : "";
  if (/^E[A-Z0-9_]+$/.test(name)) {
    knownNames.set(errno, name);
    return name;
  }
  return NAMES_OF_LIBC.get(Math.abs(errno)) ?? `E${Math.abs(errno)}`;
}
