/**
 * Owns the layouts and numbers of WASI preview 1, for either side of the boundary. Imports nothing; scripts/generate.mjs
 * makes host/wasi/layout.ts of it.
 *
 * A subscription is 48 bytes:
 *
 *   0        8    9        16       20       24       32         40     42       48
 *   +--------+----+--------+--------+--------+--------+----------+------+--------+
 *   |userdata|tag |        |clock id|        |timeout |precision |flags |        |   tag 0: clock
 *   |userdata|tag |        |  fd    |                                            |   tag 1: fd_read, 2: fd_write
 *   +--------+----+--------+--------+--------------------------------------------+
 *
 * An event is 32 bytes:
 *
 *   0        8      10   11       16       24      26       32
 *   +--------+------+----+--------+--------+-------+--------+
 *   |userdata|errno |type|        |nbytes  |flags  |        |
 *   +--------+------+----+--------+--------+-------+--------+
 *
 * An iovec, and a ciovec, is 8 bytes:   0       4       8
 *                                       +-------+-------+
 *                                       |buffer |length |
 *                                       +-------+-------+
 *
 * A fdstat is 24 bytes:   0        1   2       4      8           16          24
 *                         +--------+---+-------+------+-----------+-----------+
 *                         |filetype|   |fdflags|      |rights base|inheriting |
 *                         +--------+---+-------+------+-----------+-----------+
 *
 * A filestat is 64 bytes:   0      8      16       17    24    32     40    48    56    64
 *                           +------+------+--------+-----+-----+------+-----+-----+-----+
 *                           |device|inode |filetype|     |nlink|length|atim |mtim |ctim |
 *                           +------+------+--------+-----+-----+------+-----+-----+-----+
 *
 * A dirent is 24 bytes, and the name follows it:   0      8       16          20       21   24
 *                                                  +------+-------+-----------+--------+----+------
 *                                                  |next  |inode  |name length|filetype|    |name
 *                                                  +------+-------+-----------+--------+----+------
 *
 * A prestat is 8 bytes:   0    1    4            8
 *                         +----+----+------------+
 *                         |tag |    |name length |
 *                         +----+----+------------+
 */

@unmanaged
export class Subscription {
  userdata: u64;
  tag: u8;
  private _pad: u32;
  /** The clock, or the descriptor. */
  id: u32;
  private _pad2: u32;
  timeout: u64;
  precision: u64;
  /** 0: the timeout is relative. */
  flags: u16;
  private _pad3: u32;
}


@unmanaged
export class Event {
  userdata: u64;
  error: u16;
  type: u8;
  private _pad: u32;
  nbytes: u64;
  flags: u16;
  private _pad2: u32;
}

/** `iovec` and `ciovec`: where the bytes are, and how many. */
@unmanaged
export class Iovec {
  buffer: u32;
  length: u32;
}


@unmanaged
export class Fdstat {
  filetype: u8;
  flags: u16;
  rights: u64;
  rightsInheriting: u64;
}


@unmanaged
export class Filestat {
  device: u64;
  inode: u64;
  filetype: u8;
  nlink: u64;
  length: u64;
  atim: u64;
  mtim: u64;
  ctim: u64;
}


@unmanaged
export class Dirent {
  next: u64;
  inode: u64;
  nameLength: u32;
  filetype: u8;
  private _pad: u16;
}


@unmanaged
export class Prestat {
  tag: u8;
  nameLength: u32;
}

/** `eventtype`; the tag of a subscription takes the same numbers. */
export namespace EventType {
  export const CLOCK: u8 = 0;
  export const FD_READ: u8 = 1;
  export const FD_WRITE: u8 = 2;
  /**
   * Out-of-band data is waiting. Not WASI's: only a host that knows the caller's change log reports it, for a descriptor
   * that is subscribed for reading.
   */
  export const FD_PRIORITY: u8 = 3;
}

/** `eventrwflags.fd_readwrite_hangup`: the peer is gone. */
export const EVENT_HANGUP: u16 = 1;

/** `subclockflags.subscription_clock_abstime`. */
export const CLOCK_ABSTIME: u16 = 1;

/** `clockid`. */
export namespace ClockId {
  export const REALTIME: u32 = 0;
  export const MONOTONIC: u32 = 1;
  export const PROCESS_CPUTIME: u32 = 2;
  export const THREAD_CPUTIME: u32 = 3;
}

/** `filetype`. */
export namespace Filetype {
  export const UNKNOWN: u8 = 0;
  export const BLOCK_DEVICE: u8 = 1;
  export const CHARACTER_DEVICE: u8 = 2;
  export const DIRECTORY: u8 = 3;
  export const REGULAR_FILE: u8 = 4;
  export const SOCKET_DGRAM: u8 = 5;
  export const SOCKET_STREAM: u8 = 6;
  export const SYMBOLIC_LINK: u8 = 7;
}

/** `fdflags`. */
export namespace FdFlags {
  export const APPEND: i32 = 1;
  export const DSYNC: i32 = 2;
  export const NONBLOCK: i32 = 4;
  export const RSYNC: i32 = 8;
  export const SYNC: i32 = 16;
}

/** `rights`: what may be done with a descriptor. */
export namespace Rights {
  export const FD_DATASYNC: u64 = 1 << 0;
  export const FD_READ: u64 = 1 << 1;
  export const FD_SEEK: u64 = 1 << 2;
  export const FD_FDSTAT_SET_FLAGS: u64 = 1 << 3;
  export const FD_SYNC: u64 = 1 << 4;
  export const FD_TELL: u64 = 1 << 5;
  export const FD_WRITE: u64 = 1 << 6;
  export const FD_ADVISE: u64 = 1 << 7;
  export const FD_ALLOCATE: u64 = 1 << 8;
  export const PATH_CREATE_DIRECTORY: u64 = 1 << 9;
  export const PATH_CREATE_FILE: u64 = 1 << 10;
  export const PATH_LINK_SOURCE: u64 = 1 << 11;
  export const PATH_LINK_TARGET: u64 = 1 << 12;
  export const PATH_OPEN: u64 = 1 << 13;
  export const FD_READDIR: u64 = 1 << 14;
  export const PATH_READLINK: u64 = 1 << 15;
  export const PATH_RENAME_SOURCE: u64 = 1 << 16;
  export const PATH_RENAME_TARGET: u64 = 1 << 17;
  export const PATH_FILESTAT_GET: u64 = 1 << 18;
  export const PATH_FILESTAT_SET_SIZE: u64 = 1 << 19;
  export const PATH_FILESTAT_SET_TIMES: u64 = 1 << 20;
  export const FD_FILESTAT_GET: u64 = 1 << 21;
  export const FD_FILESTAT_SET_SIZE: u64 = 1 << 22;
  export const FD_FILESTAT_SET_TIMES: u64 = 1 << 23;
  export const PATH_SYMLINK: u64 = 1 << 24;
  export const PATH_REMOVE_DIRECTORY: u64 = 1 << 25;
  export const PATH_UNLINK_FILE: u64 = 1 << 26;
  export const POLL_FD_READWRITE: u64 = 1 << 27;
  export const SOCK_SHUTDOWN: u64 = 1 << 28;
  export const SOCK_ACCEPT: u64 = 1 << 29;
}

/** `oflags`, of path_open. */
export namespace OFlags {
  export const CREAT: i32 = 1;
  export const DIRECTORY: i32 = 2;
  export const EXCL: i32 = 4;
  export const TRUNC: i32 = 8;
}

/** `lookupflags.symlink_follow`: a link at the end of a path is followed. */
export const SYMLINK_FOLLOW: i32 = 1;

/** `fstflags`: which times are set, and whether to the time of the call. */
export namespace FstFlags {
  export const ATIM: i32 = 1;
  export const ATIM_NOW: i32 = 2;
  export const MTIM: i32 = 4;
  export const MTIM_NOW: i32 = 8;
}

/** `preopentype.dir`. */
export const PREOPEN_DIRECTORY: u8 = 0;

/** `riflags`. */
export namespace RiFlags {
  export const PEEK: i32 = 1;
  export const WAITALL: i32 = 2;
}

/** `sdflags`. */
export namespace SdFlags {
  export const RD: i32 = 1;
  export const WR: i32 = 2;
}
