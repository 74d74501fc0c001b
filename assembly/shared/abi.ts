/**
 * Owns the numbers and layouts that cross between the engine and its host, beside WASI's; docs/abi.md describes them.
 * Imports nothing; scripts/generate.mjs makes host/wasi/abi.ts of it.
 */

/** What a channel wants to be notified of; bits. */
export namespace Interest {
  export const NONE: u8 = 0;
  export const READ: u8 = 1;
  export const WRITE: u8 = 2;
}

/** What a channel is at the moment: it decides what its readiness means. */
export namespace State {
  /** A stream socket that is neither connected nor listening; it is not watched. */
  export const IDLE: u8 = 0;
  export const CONNECTING: u8 = 1;
  /** Connected, or in no need of a connection: a datagram socket, a pipe. */
  export const OPEN: u8 = 2;
  export const ACCEPTING: u8 = 3;
}

/** What a handler is notified of. */
export namespace Kind {
  /** A listener has connections waiting. */
  export const ACCEPT: i32 = 0;
  /** A connection has been established. */
  export const CONNECT: i32 = 1;
  export const READ: i32 = 2;
  export const WRITE: i32 = 3;
  /** Out-of-band data. */
  export const EXCEPTIONAL: i32 = 4;
  /** The peer is gone and nothing is left to read, or the descriptor is not open. */
  export const CLOSE: i32 = 5;
  /** An error; the detail is its WASI errno. */
  export const ERROR: i32 = 6;
  /** A timer is due; the slot is the timer's. */
  export const TIMER: i32 = 7;
}

/** What a handler answers to an event; bits. */
export namespace Verdict {
  export const GO_ON: i32 = 0;
  /** End the turn: events not yet delivered are kept for the next one. */
  export const STOP: i32 = 1;
  /** To ACCEPT: one connection was accepted, and more may be waiting. */
  export const AGAIN: i32 = 2;
  /** The handler failed: under the order by channel, the channel's other events of this turn are dropped. */
  export const FAILED: i32 = 4;
}

/** What has become of a listener that was to be paused. */
export namespace Pause {
  /** Nothing: there is no such channel, or it is no listener. */
  export const NONE: i32 = 0;
  /** It is paused, as one was within a second before: a line in a log for each would be a line for each connection. */
  export const AGAIN: i32 = 1;
  /** It is paused, and that is worth a line. */
  export const NEWS: i32 = 2;
}

/** An entry of the change log: from now on watch `fd` for `interest` (READ, WRITE; 0: no more) for this channel. */
@unmanaged
export class Change {
  fd: i32;
  interest: u32;
  slot: u32;
  generation: u32;
}

/** The counters, each since the map was made. */
@unmanaged
export class Statistics {
  turns: u64;
  /** Events that poll_oneoff returned for channels. */
  events: u64;
  /** Those of them whose channel had left the map. */
  dropped: u64;
  /** Upcalls that sample a channel's interest. */
  sampled: u64;
  /** Upcalls that deliver an event, by kind. */
  accepts: u64;
  connects: u64;
  reads: u64;
  writes: u64;
  exceptionals: u64;
  closes: u64;
  errors: u64;
  timers: u64;
  /** Channels that were ever added. */
  channels: u64;
  /** Changes of what a channel is watched for. */
  changes: u64;
  /** Times that a listener was paused. */
  pauses: u64;
}
