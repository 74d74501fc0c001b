/**
 * Owns the layouts of WASI preview 1's `poll_oneoff`: the only place that knows their bytes. Knows nothing of channels.
 * The calls themselves are in poll-calls.ts.
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
 */

export { clock_time_get, poll_oneoff } from "./poll-calls";

export const SUBSCRIPTION_SIZE: i32 = 48;
export const EVENT_SIZE: i32 = 32;

/** `eventtype`; the tag of a subscription takes the same numbers. */
export namespace EventType {
  export const CLOCK: u8 = 0;
  export const FD_READ: u8 = 1;
  export const FD_WRITE: u8 = 2;
  /**
   * Out-of-band data is waiting. Not of WASI: only a host that knows the caller's change log sends it, unasked, for a
   * descriptor that is subscribed for reading.
   */
  export const FD_PRIORITY: u8 = 3;
}

/** `eventrwflags.fd_readwrite_hangup`: the peer is gone. */
export const EVENT_HANGUP: u16 = 1;

/** `clockid.realtime`. */
export const CLOCK_REALTIME: u32 = 0;

/** `clockid.monotonic`. */
export const CLOCK_MONOTONIC: u32 = 1;


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

/** Writes the event at `index`: the descriptor is ready, or polling it has failed. */
export function writeEvent(eventsAt: usize, index: i32, userdata: u64, type: u8, error: i32): void {
  const event = changetype<Event>(eventsAt + <usize>index * EVENT_SIZE);
  event.userdata = userdata;
  event.error = u16(error);
  event.type = type;
  event.nbytes = 1;
  event.flags = 0;
}
