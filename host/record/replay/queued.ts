/** Owns records that a replay has read and not used yet: what each is on. Knows the records; knows no program. */

import { isShort, Kind, NAMES } from "../calls.js";
import { Fields } from "../reader.js";
import { readValue } from "../values.js";

/** A record that has been read and not used. */
export interface Queued {
  readonly kind: number;
  readonly bytes: Uint8Array;
  readonly at: number;
  readonly end: number;
  /** Where it begins in the recording's file. */
  readonly place: number;
}

export function isSending(kind: number): boolean {
  return kind >= Kind.SEND && kind <= Kind.WRITE;
}

/** The descriptor of a call's record; -1 for other records. */
export function descriptorOf({ kind, bytes, at, end }: Queued): number {
  const fields = new Fields();
  fields.set(bytes, at, end);
  if (isShort(kind)) return fields.varint();
  if (!NAMES.has(kind)) return -1;
  const args = readValue(fields);
  const [fd] = Array.isArray(args) ? args : [];
  return typeof fd === "number" ? fd : -1;
}

/** Of the clock or of the date. */
export function isReading(kind: number): boolean {
  return kind === Kind.CLOCK || kind === Kind.TURN_TIME || kind === Kind.DATE;
}

export function isSkipped(kind: number): boolean {
  return isReading(kind) || kind === Kind.TURN_END || kind === Kind.UPDATE_FAILED || kind === Kind.SET_CLOSED;
}
