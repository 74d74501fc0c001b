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
 * WAITS      | nanoseconds since the last record of WAITS or GOES_ON |
 * GOES_ON    | as WAITS |
 * PEER       | address, as text |
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
  /** The call that follows, or the host, begins to wait. */
  WAITS: 5,
  /** It waits no more. */
  GOES_ON: 6,
  /** The peer of the connection that is accepted next. */
  PEER: 7,
  /** This, and the place of the function in the header: a call of an import. */
  CALL: 16,
} as const;

/** Records that no replay looks at: when it was, and who. */
export const UNCOMPARED: ReadonlySet<number> = new Set([GuestRecord.WAITS, GuestRecord.GOES_ON, GuestRecord.PEER]);

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
  /** What its descriptors from 3 on are when it begins: "listening 127.0.0.1:80". */
  readonly opened: readonly string[];
  /** Are the contents that it has sent there, and not only their hashes? */
  readonly sent: boolean;
}

/** Of the records. A reader reads 1 as well, which has no WAITS, GOES_ON and PEER, and refuses any other. */
export const GUEST_VERSION = 2;

/** So many parameters of a call are recorded: a mask has a bit for each, and one for the length of the vector. */
export const PARAMETERS_MAX = 29;

/** What a recording of a guest says of it. @throws RecordingError for what is no such recording, or is of another version */
export function guestDetails({ kind, details }: RecordingHeader): GuestDetails {
  if (kind !== RecordingKind.GUEST) throw new RecordingError("this is no recording of a guest");
  const { version, module, name, functions, opened = [], sent = false } = details;
  if (version !== 1 && version !== GUEST_VERSION)
    throw new RecordingError(`${versionText(version)} of a guest's records: this reads version ${GUEST_VERSION}`);
  if (typeof module !== "string" || typeof name !== "string" || !areTexts(functions) || !areTexts(opened))
    throw new RecordingError("damaged: the header does not say what was recorded");
  return { version, module, name, functions, opened, sent: sent === true };
}

function versionText(version: unknown): string {
  return typeof version === "number" ? `version ${version}` : "no version that is a number";
}

function areTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === "string");
}
