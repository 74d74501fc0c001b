/** Owns nothing of its own: made of assembly/shared/preview1.ts by `npm run generate`. Change that file, not this one. */

export const Subscription = {
  USERDATA: 0,
  TAG: 8,
  /** The clock, or the descriptor. */
  ID: 16,
  TIMEOUT: 24,
  PRECISION: 32,
  /** 0: the timeout is relative. */
  FLAGS: 40,
  SIZE: 48,
} as const;

export const Event = {
  USERDATA: 0,
  ERROR: 8,
  TYPE: 10,
  NBYTES: 16,
  FLAGS: 24,
  SIZE: 32,
} as const;

/** `iovec` and `ciovec`: where the bytes are, and how many. */
export const Iovec = {
  BUFFER: 0,
  LENGTH: 4,
  SIZE: 8,
} as const;

export const Fdstat = {
  FILETYPE: 0,
  FLAGS: 2,
  RIGHTS: 8,
  RIGHTS_INHERITING: 16,
  SIZE: 24,
} as const;

export const Filestat = {
  DEVICE: 0,
  INODE: 8,
  FILETYPE: 16,
  NLINK: 24,
  LENGTH: 32,
  ATIM: 40,
  MTIM: 48,
  CTIM: 56,
  SIZE: 64,
} as const;

export const Dirent = {
  NEXT: 0,
  INODE: 8,
  NAME_LENGTH: 16,
  FILETYPE: 20,
  SIZE: 24,
} as const;

export const Prestat = {
  TAG: 0,
  NAME_LENGTH: 4,
  SIZE: 8,
} as const;

/** `eventtype`; the tag of a subscription takes the same numbers. */
export const EventType = {
  CLOCK: 0,
  FD_READ: 1,
  FD_WRITE: 2,
  /**
   * Out-of-band data is waiting. Not WASI's: only a host that knows the caller's change log reports it, for a descriptor
   * that is subscribed for reading.
   */
  FD_PRIORITY: 3,
} as const;

/** `eventrwflags.fd_readwrite_hangup`: the peer is gone. */
export const EVENT_HANGUP = 1;

/** `subclockflags.subscription_clock_abstime`. */
export const CLOCK_ABSTIME = 1;

/** `clockid`. */
export const ClockId = {
  REALTIME: 0,
  MONOTONIC: 1,
  PROCESS_CPUTIME: 2,
  THREAD_CPUTIME: 3,
} as const;

/** `filetype`. */
export const Filetype = {
  UNKNOWN: 0,
  BLOCK_DEVICE: 1,
  CHARACTER_DEVICE: 2,
  DIRECTORY: 3,
  REGULAR_FILE: 4,
  SOCKET_DGRAM: 5,
  SOCKET_STREAM: 6,
  SYMBOLIC_LINK: 7,
} as const;

/** `fdflags`. */
export const FdFlags = {
  APPEND: 1,
  DSYNC: 2,
  NONBLOCK: 4,
  RSYNC: 8,
  SYNC: 16,
} as const;

/** `rights`: what may be done with a descriptor. */
export const Rights = {
  FD_DATASYNC: 1n << 0n,
  FD_READ: 1n << 1n,
  FD_SEEK: 1n << 2n,
  FD_FDSTAT_SET_FLAGS: 1n << 3n,
  FD_SYNC: 1n << 4n,
  FD_TELL: 1n << 5n,
  FD_WRITE: 1n << 6n,
  FD_ADVISE: 1n << 7n,
  FD_ALLOCATE: 1n << 8n,
  PATH_CREATE_DIRECTORY: 1n << 9n,
  PATH_CREATE_FILE: 1n << 10n,
  PATH_LINK_SOURCE: 1n << 11n,
  PATH_LINK_TARGET: 1n << 12n,
  PATH_OPEN: 1n << 13n,
  FD_READDIR: 1n << 14n,
  PATH_READLINK: 1n << 15n,
  PATH_RENAME_SOURCE: 1n << 16n,
  PATH_RENAME_TARGET: 1n << 17n,
  PATH_FILESTAT_GET: 1n << 18n,
  PATH_FILESTAT_SET_SIZE: 1n << 19n,
  PATH_FILESTAT_SET_TIMES: 1n << 20n,
  FD_FILESTAT_GET: 1n << 21n,
  FD_FILESTAT_SET_SIZE: 1n << 22n,
  FD_FILESTAT_SET_TIMES: 1n << 23n,
  PATH_SYMLINK: 1n << 24n,
  PATH_REMOVE_DIRECTORY: 1n << 25n,
  PATH_UNLINK_FILE: 1n << 26n,
  POLL_FD_READWRITE: 1n << 27n,
  SOCK_SHUTDOWN: 1n << 28n,
  SOCK_ACCEPT: 1n << 29n,
} as const;

/** `oflags`, of path_open. */
export const OFlags = {
  CREAT: 1,
  DIRECTORY: 2,
  EXCL: 4,
  TRUNC: 8,
} as const;

/** `lookupflags.symlink_follow`: a link at the end of a path is followed. */
export const SYMLINK_FOLLOW = 1;

/** `fstflags`: which times are set, and whether to the time of the call. */
export const FstFlags = {
  ATIM: 1,
  ATIM_NOW: 2,
  MTIM: 4,
  MTIM_NOW: 8,
} as const;

/** `preopentype.dir`. */
export const PREOPEN_DIRECTORY = 0;

/** `riflags`. */
export const RiFlags = {
  PEEK: 1,
  WAITALL: 2,
} as const;

/** `sdflags`. */
export const SdFlags = {
  RD: 1,
  WR: 2,
} as const;
