/**
 * Owns the byte layouts of WASI preview 1 on the host's side, and of the change log that engine.wasm keeps. Knows
 * nothing else. A test holds these numbers against the layouts of the engine's own sources.
 */

export const Subscription = {
  SIZE: 48,
  USERDATA: 0,
  TAG: 8,
  FD: 16,
  CLOCK: 16,
  TIMEOUT: 24,
  PRECISION: 32,
  FLAGS: 40,
} as const;

export const Event = { SIZE: 32, USERDATA: 0, ERROR: 8, TYPE: 10, NBYTES: 16, FLAGS: 24 } as const;

/** `eventtype`, and the tag of a subscription. */
export const EventType = {
  CLOCK: 0,
  FD_READ: 1,
  FD_WRITE: 2,
  /** Not of WASI: out-of-band data, told unasked to a caller whose change log is known. */
  FD_PRIORITY: 3,
} as const;

/** `eventrwflags.fd_readwrite_hangup`. */
export const EVENT_HANGUP = 1;

/** `subclockflags.subscription_clock_abstime`. */
export const CLOCK_ABSTIME = 1;

export const ClockId = { REALTIME: 0, MONOTONIC: 1 } as const;

/** An entry of the change log: watch `FD` for `INTEREST` from now on; slot and generation are the userdata. */
export const Change = { SIZE: 16, FD: 0, INTEREST: 4, SLOT: 8, GENERATION: 12 } as const;

/** `iovec` and `ciovec`: where the bytes are, and how many. */
export const Iovec = { SIZE: 8, BUF: 0, LENGTH: 4 } as const;

export const Fdstat = { SIZE: 24, FILETYPE: 0, FLAGS: 2, RIGHTS: 8, RIGHTS_INHERITING: 16 } as const;

export const Filestat = { SIZE: 64, FILETYPE: 16, NLINK: 24 } as const;

export const Filetype = {
  UNKNOWN: 0,
  CHARACTER_DEVICE: 2,
  REGULAR_FILE: 4,
  SOCKET_DGRAM: 5,
  SOCKET_STREAM: 6,
} as const;

/** `fdflags`. */
export const FdFlags = { APPEND: 1, DSYNC: 2, NONBLOCK: 4, RSYNC: 8, SYNC: 16 } as const;

/** `rights`: those that a descriptor without a file behind it can have. */
export const Rights = {
  FD_READ: 1n << 1n,
  FD_FDSTAT_SET_FLAGS: 1n << 3n,
  FD_WRITE: 1n << 6n,
  FD_FILESTAT_GET: 1n << 21n,
  POLL_FD_READWRITE: 1n << 27n,
  SOCK_SHUTDOWN: 1n << 28n,
  SOCK_ACCEPT: 1n << 29n,
} as const;

/** `riflags`. */
export const RiFlags = { PEEK: 1, WAITALL: 2 } as const;

/** `sdflags`. */
export const SdFlags = { RD: 1, WR: 2 } as const;
