/**
 * Owns the errors that this package throws. Knows the checks of arguments; knows no engine, backend or handler: every other
 * room may import it.
 *
 * Each error carries a stable `code`; those that come from the operating system look like Node's own
 * (`code`, negative `errno`, `syscall`, and the address where there is one).
 */

import { constants } from "node:os";
import { checkInteger, checkObject, checkString } from "./check.js";

/** The platform's numbers by code, positive. */
const errnos: Readonly<Record<string, number>> = constants.errno;

/** What an {@link OSError} may know beyond its code. */
export interface OSErrorDetails {
  /** Negative, as Node gives it: -111 for ECONNREFUSED on Linux. Default: the platform's number for the code, or 0. */
  errno?: number;
  /** The call that failed: "connect", "bind", "recv", ... */
  syscall: string;
  address?: string | undefined;
  port?: number | undefined;
  path?: string | undefined;
  /** Advice for the user, appended to the message. */
  hint?: string | undefined;
}

/** A call of the operating system failed. Python's `OSError`; looks like Node's `SystemError`. */
export class OSError extends Error {
  override name = "OSError";
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;
  /** Numeric host or name, for calls that take an Internet address. */
  declare readonly address?: string;
  declare readonly port?: number;
  /** For calls that take the path of a Unix socket. */
  declare readonly path?: string;

  constructor(code: string, details: OSErrorDetails) {
    checkString("code", code);
    checkDetails(details);
    const { address, port } = details;
    const where = details.path ?? (address === undefined || port === undefined ? address : `${address}:${port}`);
    const hint = details.hint === undefined ? "" : `: ${details.hint}`;
    super(`${details.syscall} ${code}${where === undefined ? "" : ` ${where}`}${hint}`);
    this.code = code;
    this.errno = details.errno ?? -(errnos[code] ?? 0);
    this.syscall = details.syscall;
    if (details.address !== undefined) this.address = details.address;
    if (details.port !== undefined) this.port = details.port;
    if (details.path !== undefined) this.path = details.path;
  }
}

function checkDetails(details: OSErrorDetails): void {
  checkObject("details", details);
  const { syscall, address, port, path, hint } = details as OSErrorDetails;
  checkString("details.syscall", syscall);
  if (address !== undefined) checkString("details.address", address);
  if (port !== undefined) checkInteger("details.port", port, 0, 65_535);
  if (path !== undefined) checkString("details.path", path);
  if (hint !== undefined) checkString("details.hint", hint);
}

/** A non-blocking call would have had to wait (EAGAIN, EWOULDBLOCK). Thrown from a callback, it is ignored. */
export class BlockingIOError extends OSError {
  override name = "BlockingIOError";
}

/** Thrown from a callback, it leaves the loop: asyncore's `ExitNow`. */
export class ExitNow extends Error {
  override name = "ExitNow";
  readonly code = "ERR_EXIT_NOW";
}

/** What a {@link LoopError} says. */
export type LoopErrorCode = "ERR_LOOP_RUNNING" | "ERR_ENGINE" | "ERR_ENGINE_MEMORY" | "ERR_TLS_LOOP_SYNC";

/** The loop cannot do what was requested now: a second loop on the same map, for example. */
export class LoopError extends Error {
  override name = "LoopError";
  readonly code: LoopErrorCode;

  constructor(code: LoopErrorCode, message: string, options?: { readonly cause: unknown }) {
    checkString("code", code);
    checkString("message", message);
    super(message, options);
    this.code = code;
  }
}

/** This platform has no backend. */
export class UnsupportedPlatformError extends Error {
  override name = "UnsupportedPlatformError";
  readonly code = "ERR_UNSUPPORTED_PLATFORM";
}

/** asyncore's `_DISCONNECTED`: the codes that mean "the peer is gone", which close a channel without an error. */
const DISCONNECTED: ReadonlySet<string> = new Set([
  "ECONNRESET",
  "ENOTCONN",
  "ESHUTDOWN",
  "ECONNABORTED",
  "EPIPE",
  "EBADF",
]);

/** Does this code mean that the peer is gone? */
export function isDisconnect(code: string): boolean {
  return DISCONNECTED.has(code);
}
