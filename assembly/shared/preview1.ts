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
}

/** `filetype`. */
export namespace Filetype {
  export const UNKNOWN: u8 = 0;
  export const CHARACTER_DEVICE: u8 = 2;
  export const DIRECTORY: u8 = 3;
  export const REGULAR_FILE: u8 = 4;
  export const SOCKET_DGRAM: u8 = 5;
  export const SOCKET_STREAM: u8 = 6;
}

/** `fdflags`. */
export namespace FdFlags {
  export const APPEND: i32 = 1;
  export const DSYNC: i32 = 2;
  export const NONBLOCK: i32 = 4;
  export const RSYNC: i32 = 8;
  export const SYNC: i32 = 16;
}

/** `rights`: those that a descriptor without a file behind it can have. */
export namespace Rights {
  export const FD_READ: u64 = 1 << 1;
  export const FD_FDSTAT_SET_FLAGS: u64 = 1 << 3;
  export const FD_WRITE: u64 = 1 << 6;
  export const FD_FILESTAT_GET: u64 = 1 << 21;
  export const POLL_FD_READWRITE: u64 = 1 << 27;
  export const SOCK_SHUTDOWN: u64 = 1 << 28;
  export const SOCK_ACCEPT: u64 = 1 << 29;
}

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
