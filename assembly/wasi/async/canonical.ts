/**
 * Owns the built-in functions of the component model's async ABI, and the numbers that they and the host's events use.
 * Knows no interface of WASI.
 *
 * An event is returned by its kind, with two numbers that the host writes to 8 bytes:
 *
 *   0        4        8
 *   +--------+--------+
 *   |handle  |code    |
 *   +--------+--------+
 *
 * The code of a stream or future, returned by a read or write as well, is BLOCKED, or a status in its lowest 4 bits and a
 * count in the others. What an `[async-lower]` function returns is the state of the call in its lowest 4 bits and, unless it
 * has returned, the handle of a subtask in the others; an event of a subtask has the state alone.
 */

export namespace EventKind {
  export const NONE: i32 = 0;
  export const SUBTASK: i32 = 1;
  export const STREAM_READ: i32 = 2;
  export const STREAM_WRITE: i32 = 3;
  export const FUTURE_READ: i32 = 4;
}

export namespace Status {
  export const COMPLETED: i32 = 0;
  /** The other end has been dropped. */
  export const DROPPED: i32 = 1;
  export const CANCELLED: i32 = 2;
}

/** A read or write that has neither moved anything nor ended: an event reports its end. */
export const BLOCKED: i32 = -1;

export namespace CallState {
  export const STARTED: i32 = 1;
  export const RETURNED: i32 = 2;
}

/** What the function of an export returns, and its callback: see program.ts. */
export namespace CallbackCode {
  export const EXIT: i32 = 0;
  export const YIELD: i32 = 1;
  /** With the handle of a set in the bits above 4. */
  export const WAIT: i32 = 2;
}


@inline
export function statusOf(code: i32): i32 {
  return code & 15;
}


@inline
export function countOf(code: i32): i32 {
  return i32(u32(code) >> 4);
}


@external("$root", "[waitable-set-new]")
export declare function newSet(): i32;

/** Waits for an event of what is in the set. */
@external("$root", "[waitable-set-wait]")
export declare function waitForEvent(set: i32, eventAt: usize): i32;

/** The same, but returns NONE where there is no event. */
@external("$root", "[waitable-set-poll]")
export declare function pollForEvent(set: i32, eventAt: usize): i32;

/** Puts a stream, future or subtask into a set; 0 takes it out. */
@external("$root", "[waitable-join]")
export declare function joinSet(waitable: i32, set: i32): void;


@external("$root", "[subtask-drop]")
export declare function dropSubtask(subtask: i32): void;

/** Waits until the call has ended, which it may have done by itself. It must be in no set. @returns its state */
@external("$root", "[subtask-cancel]")
export declare function cancelSubtask(subtask: i32): i32;

/** Lets the host go on with what else it has to do. */
@external("$root", "[thread-yield]")
export declare function yieldToHost(): i32;


@external("[export]wasi:cli/run@0.3.0", "[task-return]run")
export declare function returnFromRun(failed: i32): void;
