/**
 * Owns the byte layouts of WASI preview 1 on the host's side, and of the change log that engine.wasm keeps. Knows
 * nothing else. A test holds these numbers against the layouts of the engine's own sources.
 */

export const Subscription = { SIZE: 48, USERDATA: 0, TAG: 8, FD: 16, CLOCK: 16, TIMEOUT: 24, PRECISION: 32, FLAGS: 40 } as const;

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
