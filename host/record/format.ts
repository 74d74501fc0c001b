/**
 * Owns the container of recordings: the numbers and layouts that writer and reader share. Knows neither a backend nor a
 * guest: to it a recording is a header, and records that each have a kind and bytes. docs/recording.md has every byte.
 *
 * ```
 * file    | magic 8 | version 1 | kind 1 | flags 2 | started (realtime) 8 | started (monotonic) 8 | length 4 | details | check 4 |
 * block   | type 1 | length 4 | check of these 4 | payload | check 4 |        any number of them; the last has type END
 * record  | kind 1 | length: varint | body |                                  in the payloads of blocks of type RECORDS
 * ```
 *
 * Numbers are little-endian. Each check is a CRC-32 that begins with the value of the check before it: no byte is outside of
 * one, and no block can be moved, taken out or repeated. A block's head has a check of its own, so that a length that was
 * changed is not mistaken for a file that was cut off.
 */

/** PNG's trick: a byte that is not ASCII, and line ends that a transfer as text would change. */
export const MAGIC: Uint8Array = Uint8Array.of(0x89, 0x57, 0x52, 0x45, 0x43, 0x0d, 0x0a, 0x1a);

/** A reader refuses any other. */
export const VERSION = 1;

/** Where the fields of the header begin. */
export const HeaderAt = {
  VERSION: 8,
  KIND: 9,
  FLAGS: 10,
  REALTIME: 12,
  MONOTONIC: 20,
  LENGTH: 28,
  /** The details: JSON in UTF-8. */
  DETAILS: 32,
} as const;

/** What was recorded. */
export const RecordingKind = {
  /** The calls of a backend. */
  BACKEND: 1,
  /** The imports of a guest. */
  GUEST: 2,
} as const;

/** Bits of the header's flags. */
export const Flag = {
  /** The stretch before the end alone, as a flight recorder keeps it: it begins with a snapshot. */
  STRETCH: 1,
  /** Contents were left out: in their place are lengths and hashes. */
  NO_PAYLOADS: 2,
  /** Contents were blanked where a pattern matched. */
  REDACTED: 4,
  /** Readings of the clock by the first halves of turns have records of their own. */
  TURN_TIMES: 8,
} as const;

export const FLAGS_KNOWN = 15;

export const BlockType = {
  RECORDS: 0x52,
  /** The recording ended properly. Without payload, and nothing follows it. */
  END: 0x45,
} as const;

/** type, length, check */
export const BLOCK_HEAD_BYTES = 9;
export const CHECK_BYTES = 4;

/** No block is longer: a reader allocates no more than this for what a file says. */
export const BLOCK_MAX = 0x4000_0000;
export const DETAILS_MAX = 0x10_0000;

/** What a recording says of itself before its records. */
export interface RecordingHeader {
  /** One of {@link RecordingKind}. */
  readonly kind: number;
  /** Bits of {@link Flag}. Default 0. */
  readonly flags?: number;
  /** When it began, in nanoseconds since 1970-01-01T00:00:00Z. */
  readonly realtimeNs: bigint;
  /** The same by the monotonic clock, in nanoseconds. */
  readonly monotonicNs: bigint;
  /** What else is to be known, of JSON's types: the platform, the program, options. */
  readonly details: Readonly<Record<string, unknown>>;
}

/** The recording cannot be read: it is of another version, damaged, or no recording. */
export class RecordingError extends Error {
  override name = "RecordingError";
  readonly code = "ERR_RECORDING";
}

/** The same error with where the record begins that it is about. */
export function inRecord(error: RecordingError, place: number): RecordingError {
  return new RecordingError(`${error.message}, in the record at byte ${place}`, { cause: error });
}

/** How many bytes a varint of `value` takes: 7 bits each. */
export function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes += 1;
  return bytes;
}
