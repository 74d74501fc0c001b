/**
 * Owns the errors that wait for the next loop on a map, and that a program which ends without one must not lose. Knows Node's
 * `process`, and the log; knows no engine and no map.
 */

import { logThrown } from "../backend/log.js";

/** How many are remembered: a program that makes and drops many maps must not use memory for each. */
const ERRORS_MAX = 64;

const untaken = new Map<object, unknown>();
let isListening = false;

/** `error` leaves the next loop of `owner`, if there is one. */
export function rememberUntaken(owner: object, error: unknown): void {
  if (untaken.size >= ERRORS_MAX) return;
  untaken.set(owner, error);
  if (isListening) return;
  isListening = true;
  process.once("beforeExit", logUntaken);
}

/** A loop of `owner` has thrown it. */
export function forgetUntaken(owner: object): void {
  untaken.delete(owner);
}

function logUntaken(): void {
  // What this logs may bring more, and another end of the process.
  isListening = false;
  for (const error of untaken.values()) logThrown("an error of a callback, which no loop was there to throw", error);
  untaken.clear();
}
