/** Owns nothing of its own: made of assembly/shared/abi.ts by `npm run generate`. Change that file, not this one. */

/** What a channel wants to be notified of; bits. */
export const Interest = {
  NONE: 0,
  READ: 1,
  WRITE: 2,
} as const;

/** What a channel is at the moment: it decides what its readiness means. */
export const State = {
  /** A stream socket that is neither connected nor listening; it is not watched. */
  IDLE: 0,
  CONNECTING: 1,
  /** Connected, or in no need of a connection: a datagram socket, a pipe. */
  OPEN: 2,
  ACCEPTING: 3,
} as const;

/** What a handler is notified of. */
export const Kind = {
  /** A listener has connections waiting. */
  ACCEPT: 0,
  /** A connection has been established. */
  CONNECT: 1,
  READ: 2,
  WRITE: 3,
  /** Out-of-band data. */
  EXCEPTIONAL: 4,
  /** The peer is gone and nothing is left to read, or the descriptor is not open. */
  CLOSE: 5,
  /** An error; the detail is its WASI errno. */
  ERROR: 6,
  /** A timer is due; the slot is the timer's. */
  TIMER: 7,
} as const;

/** What a handler answers to an event; bits. */
export const Verdict = {
  GO_ON: 0,
  /** End the turn: events not yet delivered are kept for the next one. */
  STOP: 1,
  /** To ACCEPT: one connection was accepted, and more may be waiting. */
  AGAIN: 2,
  /** The handler failed: under the order by channel, the channel's other events of this turn are dropped. */
  FAILED: 4,
} as const;

/** What has become of a listener that was to be paused. */
export const Pause = {
  /** Nothing: there is no such channel, or it is no listener. */
  NONE: 0,
  /** It is paused, as one was within a second before: a line in a log for each would be a line for each connection. */
  AGAIN: 1,
  /** It is paused, and that is worth a line. */
  NEWS: 2,
} as const;

/** An entry of the change log: from now on watch `fd` for `interest` (READ, WRITE; 0: no more) for this channel. */
export const Change = {
  FD: 0,
  INTEREST: 4,
  SLOT: 8,
  GENERATION: 12,
  SIZE: 16,
} as const;

/** The counters, each since the map was made. */
export const Statistics = {
  TURNS: 0,
  /** Events that poll_oneoff returned for channels. */
  EVENTS: 8,
  /** Those of them whose channel had left the map. */
  DROPPED: 16,
  /** Upcalls that sample a channel's interest. */
  SAMPLED: 24,
  /** Upcalls that deliver an event, by kind. */
  ACCEPTS: 32,
  CONNECTS: 40,
  READS: 48,
  WRITES: 56,
  EXCEPTIONALS: 64,
  CLOSES: 72,
  ERRORS: 80,
  TIMERS: 88,
  /** Channels that were ever added. */
  CHANNELS: 96,
  /** Changes of what a channel is watched for. */
  CHANGES: 104,
  /** Times that a listener was paused. */
  PAUSES: 112,
  SIZE: 120,
} as const;
