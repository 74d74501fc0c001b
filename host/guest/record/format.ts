/**
 * Owns the records of a guest's recording: their kinds, and the numbers in them. The container is that of host/record; the page
 * docs/recording.md describes every byte. Knows no memory and no call.
 *
 * ```
 * CALL + n   | mask | changed parameters | inputs | errno | values | output |     n: place of the function in `functions`
 * ENTER      | export | timeout (of `turn`) |
 * LEAVE      | result |
 * HASH       | 8 bytes |                                           of the memory, when poll_oneoff was called
 * END        | reason | code or message |
 * ```
 */

import { RecordingError, type RecordingHeader, RecordingKind } from "../../record/format.js";

/** Kinds of records. */
export const GuestRecord = {
  /** The host calls an export. */
  ENTER: 1,
  /** The export has returned. */
  LEAVE: 2,
  /** The guest's memory at the beginning of a turn. */
  HASH: 3,
  /** The guest has ended. */
  END: 4,
  /** This, and the place of the function in the header: a call of an import. */
  CALL: 16,
} as const;

/** Why a guest has ended. */
export const GuestEnd = {
  /** It has called proc_exit, or has returned. */
  EXIT: 0,
  TRAP: 1,
  /** The host has ended it between two calls. */
  STOPPED: 2,
} as const;

/** The exports that a host calls, by their numbers in a recording. 0 is the start function, by whatever name. */
export const ENTERED: readonly string[] = ["", "_start", "_initialize", "turn", "pending"];

/** What the header says of a guest. */
export interface GuestDetails {
  readonly version: number;
  /** SHA-256 of the module's bytes, in hexadecimal digits. */
  readonly module: string;
  /** File name of the module. */
  readonly name: string;
  /** The functions of preview 1: a call's kind is a place in it. */
  readonly functions: readonly string[];
}

/** Of the records: a reader refuses any other. */
export const GUEST_VERSION = 1;

/** So many parameters of a call are recorded: a mask has a bit for each, and one for the length of the vector. */
export const PARAMETERS_MAX = 29;

/** What a recording of a guest says of it. @throws RecordingError for what is no such recording, or is of another version */
export function guestDetails({ kind, details }: RecordingHeader): GuestDetails {
  if (kind !== RecordingKind.GUEST) throw new RecordingError("this is no recording of a guest");
  const { version, module, name, functions } = details;
  if (version !== GUEST_VERSION)
    throw new RecordingError(`version ${String(version)} of a guest's records: this reads version ${GUEST_VERSION}`);
  const isList = Array.isArray(functions) && functions.every((each) => typeof each === "string");
  if (typeof module !== "string" || typeof name !== "string" || !isList)
    throw new RecordingError("damaged: the header does not say what was recorded");
  return { version, module, name, functions };
}
