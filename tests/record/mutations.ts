/**
 * Owns changes of recordings, chosen by a seed: records that are left out, come twice, come elsewhere or have other fields, behind
 * checks that match. Knows the forms of records; knows no program.
 */

import { isShort, Kind, NAMES } from "../../host/record/calls.js";
import { type RecordingHeader } from "../../host/record/format.js";
import { Fields } from "../../host/record/reader.js";
import { Hashed, readValue, Thrown } from "../../host/record/values.js";
import { type Made, valuesOf, written } from "./made.js";

/** From 0, and less than `below`. */
export type Below = (below: number) => number;

/** The message of errors that a changed recording may have in the place of a result. */
export const MADE_UP = "made up by a test";

const KINDS = [...new Set([...NAMES.keys(), ...Object.values(Kind)])];
/** Records that are fields without tags; with the descriptors that are ready, or contents, behind them. */
const NUMBERS: readonly number[] = [Kind.CLOCK, Kind.TURN, Kind.TURN_END, Kind.WAIT, Kind.TICK, Kind.TIMER, Kind.DATE];
/** As varints: the smallest, those at a bound, and the largest. */
const VARINTS = [0, 1, 2, 3, 127, 128, 65_535, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 40, 2 ** 53 - 2, 2 ** 53 - 1];
const VALUES: readonly unknown[] = [
  undefined,
  null,
  true,
  -1,
  0,
  1,
  -11,
  -104,
  0.5,
  Number.NaN,
  2 ** 31,
  2 ** 50,
  10n ** 30n,
  -1n,
  "",
  "text",
  "\u001b[2J",
  new Uint8Array(0),
  new Uint8Array(70_000),
  new Hashed(2 ** 50, 1),
  [],
  [[]],
  [1, "a", {}],
  {},
  { toString: 1, valueOf: 2 },
  { $: "handle", fd: 1 },
  { $: "directory", path: "/" },
  { $: "error", name: "RangeError", code: "EIO", message: MADE_UP },
  { $: "Stats", numbers: { size: 2 ** 53, mtimeMs: 1e300 } },
  { host: "10.0.0.1", port: 1 },
  { path: "/" },
  { fd: 7, address: { host: "::1", port: 9 } },
  new Thrown(Object.assign(new Error(MADE_UP), { code: "EBADF", errno: -9, syscall: "made" })),
  new Thrown(new Error(MADE_UP)),
];

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  return [...bytes, rest];
}

/** Another number in the place of one of the first that a record without tags has. */
function otherNumber(body: Uint8Array, below: Below): Uint8Array {
  let from = 0;
  for (let skip = below(5); skip > 0 && from < body.length - 1; skip--) {
    while ((body[from] ?? 0) >= 0x80) from += 1;
    from += 1;
  }
  let to = from;
  while ((body[to] ?? 0) >= 0x80) to += 1;
  const value = VARINTS[below(VARINTS.length)] ?? 0;
  return Buffer.concat([body.subarray(0, from), Uint8Array.from(varint(value)), body.subarray(to + 1)]);
}

/** Another value in the place of one, which may be within others. */
function otherValue(value: unknown, below: Below): unknown {
  const isWithin = below(3) > 0;
  if (Array.isArray(value) && value.length > 0 && isWithin) {
    const at = below(value.length);
    return value.map((each: unknown, index) => (index === at ? otherValue(each, below) : each));
  }
  const isObject = typeof value === "object" && value !== null && !(value instanceof Uint8Array);
  if (isObject && !(value instanceof Thrown) && !(value instanceof Hashed) && isWithin) {
    const entries = Object.entries(value);
    const at = below(entries.length);
    return Object.fromEntries(
      entries.map(([key, each], index) => [key, index === at ? otherValue(each, below) : (each as unknown)]),
    );
  }
  if (typeof value === "number" && isWithin) return value + ([1, -1, 2 ** 31, -(2 ** 33)][below(4)] ?? 0);
  return VALUES[below(VALUES.length)];
}

function otherValues(body: Uint8Array, below: Below): Uint8Array {
  const fields = new Fields();
  fields.set(body, 0, body.length);
  const values: unknown[] = [];
  try {
    while (!fields.isAtEnd) values.push(readValue(fields));
  } catch {
    // It has been changed already.
    return body.subarray(0, below(body.length));
  }
  const at = below(values.length);
  return valuesOf(...values.map((each, index) => (index === at ? otherValue(each, below) : each)));
}

/** With another field, or other bytes. */
function otherBody({ kind, body }: Made, below: Below): Uint8Array {
  if (below(3) > 0) {
    return isShort(kind) || NUMBERS.includes(kind) ? otherNumber(body, below) : otherValues(body, below);
  }
  const changed = Uint8Array.from(body);
  const at = below(body.length + 1);
  switch (below(4)) {
    case 0:
      return body.subarray(0, at);
    case 1:
      return Buffer.concat([body.subarray(0, at), Uint8Array.of(below(256)), body.subarray(at)]);
    case 2:
      if (at < body.length) changed[at] = [0, 1, 0x7f, 0x80, 0xff, below(256)][below(6)] ?? 0;
      return changed;
    default:
      if (at < body.length) changed[at] = (changed[at] ?? 0) ^ (1 << below(8));
      return changed;
  }
}

/** Of any kind there is with the same likelihood: most records are of few kinds. */
function place(records: readonly Made[], below: Below): number {
  const kinds = [...new Set(records.map(({ kind }) => kind))];
  const kind = kinds[below(kinds.length)];
  const places = records.flatMap((each, at) => (each.kind === kind ? [at] : []));
  return places[below(places.length)] ?? 0;
}

function change(records: Made[], below: Below): void {
  const at = place(records, below);
  const record = records[at];
  if (record === undefined) return;
  switch (below(10)) {
    case 0:
      records.splice(at, 1);
      return;
    case 1:
      for (let times = [1, 2, 1000][below(3)] ?? 0; times > 0; times--) records.splice(at, 0, record);
      return;
    case 2:
      records.splice(at, 2, ...records.slice(at, at + 2).toReversed());
      return;
    case 3:
      records.splice(below(records.length), 0, ...records.splice(at, 1 + below(5)));
      return;
    case 4:
      records[at] = { kind: KINDS[below(KINDS.length)] ?? 0, body: record.body };
      return;
    case 5: {
      const other = records[below(records.length)] ?? record;
      records[at] = { kind: record.kind, body: other.body };
      return;
    }
    default:
      records[at] = { kind: record.kind, body: record.body.length === 0 ? record.body : otherBody(record, below) };
  }
}

/** A few of its records are changed, or left out from one on. */
export function mutated(header: RecordingHeader, records: readonly Made[], below: Below): Uint8Array {
  const changed = [...records];
  for (let times = 1 + below(3); times > 0; times--) change(changed, below);
  const isCut = below(8) === 0;
  return written(header, isCut ? changed.slice(0, below(changed.length)) : changed, below(2) === 0 || !isCut);
}
