/**
 * Owns what AssemblyScript's standard library wants of its host, over WASI: the build names these in place of `abort`,
 * `trace`, `seed`, `console`, `Date` and `performance`. Knows no channel.
 */

import { monotonicNs, randomSeed, realtimeNs } from "../wasi/system";
import { ascii } from "./ascii";
import { print, printError } from "./messages";

/**
 * A broken promise of the program, or what it throws. Says which, and traps: so the host names the functions that led
 * there. The file and the line are left out: they would add to the module with every use.
 */
export function guestAbort(
  message: string | null = null,
  _fileName: string | null = null,
  _line: u32 = 0,
  _column: u32 = 0,
): void {
  printError(message === null ? ascii("abort") : ascii("abort: ") + message);
  unreachable();
}

export function guestTrace(
  message: string,
  n: i32 = 0,
  a0: f64 = 0,
  a1: f64 = 0,
  a2: f64 = 0,
  a3: f64 = 0,
  a4: f64 = 0,
): void {
  let text = "trace: " + message;
  if (n > 0) text += " " + a0.toString();
  if (n > 1) text += ", " + a1.toString();
  if (n > 2) text += ", " + a2.toString();
  if (n > 3) text += ", " + a3.toString();
  if (n > 4) text += ", " + a4.toString();
  printError(text);
}

/** For Math.random. */
export function guestSeed(): f64 {
  return reinterpret<f64>(randomSeed());
}

/** As Node's: log, info and debug go to standard output, error and warn to standard error. */
export namespace guestConsole {
  export function log(message: string = ""): void {
    print(message);
  }
  export function info(message: string = ""): void {
    print(message);
  }
  export function debug(message: string = ""): void {
    print(message);
  }
  export function error(message: string = ""): void {
    printError(message);
  }
  export function warn(message: string = ""): void {
    printError(message);
  }
}

export namespace guestPerformance {
  /** Milliseconds of the monotonic clock. */
  export function now(): f64 {
    return f64(monotonicNs()) / 1e6;
  }
}

export class guestDate extends Date {
  /** Milliseconds since 1970. */
  static now(): i64 {
    return realtimeNs() / 1_000_000;
  }
}
