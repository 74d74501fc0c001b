/**
 * Owns the two calls from the engine to whoever holds the handlers. Knows only their shape: engine.wasm hands them to
 * its host, a guest to the handler classes in its own module.
 */

/** What a handler is told. */
export namespace Kind {
  /** A listener has connections waiting. */
  export const ACCEPT: i32 = 0;
  /** A connection has come about. */
  export const CONNECT: i32 = 1;
  export const READ: i32 = 2;
  export const WRITE: i32 = 3;
  /** Out-of-band data. */
  export const EXCEPTIONAL: i32 = 4;
  /** The channel has come to its end. */
  export const CLOSE: i32 = 5;
  /** A pending error; the detail is its WASI errno. */
  export const ERROR: i32 = 6;
  /** A timer is due; the slot is the timer's. */
  export const TIMER: i32 = 7;
}

/** What a handler answers; bits. */
export namespace Verdict {
  /** End the turn: what is not delivered yet is kept for the next one. */
  export const STOP: i32 = 1;
  /** To ACCEPT: one was taken, there may be more. */
  export const AGAIN: i32 = 2;
  /** The handler failed: nothing more for this channel that depends on what it did. */
  export const FAILED: i32 = 4;
}

/** Asks a channel's interest: bits of READ and WRITE. */
export type Ask = (slot: i32) => i32;

/** Delivers an event. @returns bits of {@link Verdict}. */
export type Deliver = (slot: i32, kind: i32, detail: i32) => i32;

function nobodyAsks(slot: i32): i32 {
  return 0;
}

function nobodyHears(slot: i32, kind: i32, detail: i32): i32 {
  return 0;
}

export let ask: Ask = nobodyAsks;
export let deliver: Deliver = nobodyHears;

export function setUpcalls(askCall: Ask, deliverCall: Deliver): void {
  ask = askCall;
  deliver = deliverCall;
}
