/**
 * Owns what ends a callback early: the error that waits to be handed to `handleError`, and the wish to leave the loop.
 * Knows no channel.
 *
 * AssemblyScript cannot catch, so nothing is thrown. An operation that fails on Node by throwing fails here by giving
 * back nothing (no bytes, 0, false, null), and its error waits. When the callback that it failed in returns, the loop
 * hands the error to that channel's `handleError`, as it does on Node with what a callback throws. Of several the first
 * one counts: on Node the others would not have happened. {@link takeError} is what `catch` is on Node.
 */

import {
  ERRNO_AGAIN,
  ERRNO_BADF,
  ERRNO_CONNABORTED,
  ERRNO_CONNRESET,
  ERRNO_MFILE,
  ERRNO_NFILE,
  ERRNO_NOBUFS,
  ERRNO_NOMEM,
  ERRNO_NOTCONN,
  ERRNO_PIPE,
} from "../shared/errno";
import { ascii } from "./ascii";
import { errorCode } from "./error-codes";

/** A call of the host failed. */
export class OSError {
  /** More about it; often "". */
  readonly message: string;
  /** WASI's errno, negative, as the errors on Node have their platform's; 0 where it was no call of the host. */
  readonly errno: i32;
  /** The call that failed: "connect", "bind", "recv", ... */
  readonly syscall: string;

  constructor(errno: i32, syscall: string, detail: string = "") {
    this.message = detail;
    this.errno = -errno;
    this.syscall = syscall;
  }

  get name(): string {
    return "OSError";
  }

  /** "ECONNREFUSED", ... */
  get code(): string {
    return errorCode(-this.errno);
  }

  toString(): string {
    const text = ascii("OSError: ") + this.syscall + " " + this.code;
    return this.message.length > 0 ? text + ": " + this.message : text;
  }
}

let waiting: OSError | null = null;

/** Notes an error. What comes after the first is dropped. */
export function raise(error: OSError): void {
  if (waiting === null) waiting = error;
}

/** Notes that a call has failed. Not being ready is no error, and is not noted. */
export function raiseErrno(errno: i32, syscall: string, detail: string = ""): void {
  if (errno != ERRNO_AGAIN && waiting === null) waiting = new OSError(errno, syscall, detail);
}

/**
 * Takes the error of what has failed in this callback, so that `handleError` is not called; null where all went well.
 * Before the loop runs, an error that is not taken ends the program when the loop begins.
 */
export function takeError(): OSError | null {
  const error = waiting;
  waiting = null;
  return error;
}


@inline
export function hasError(): bool {
  return waiting !== null;
}

/** Has a callback requested to leave the loop? */
let leaving: bool = false;

/**
 * Leaves the loop when the callback returns; the channels stay. On Node, a callback throws `ExitNow` for it.
 */
export function exitNow(): void {
  leaving = true;
}


@inline
export function isLeaving(): bool {
  return leaving;
}

/** The loop has been left, or begins. */
export function enterLoop(): void {
  leaving = false;
}

/** Is the channel to be called no more in this turn: did its callback fail, or ask to leave the loop? */
export function endsCallback(): bool {
  return leaving || hasError();
}

/** Does this errno mean that the peer is gone? asyncore: _DISCONNECTED. */
export function isDisconnect(errno: i32): bool {
  return (
    errno == ERRNO_CONNRESET ||
    errno == ERRNO_NOTCONN ||
    errno == ERRNO_CONNABORTED ||
    errno == ERRNO_PIPE ||
    errno == ERRNO_BADF
  );
}

/** Does this errno of accept mean that there are none left to give, which pausing mends and closing would not? */
export function isOutOfDescriptors(errno: i32): bool {
  return errno == ERRNO_MFILE || errno == ERRNO_NFILE || errno == ERRNO_NOBUFS || errno == ERRNO_NOMEM;
}
