/**
 * Owns a timeline as bytes: a JSON object, then the columns. Written by the command, read by the page that it makes. Knows
 * timelines alone.
 *
 * ```
 * length of the JSON (4, little-endian) | JSON | padding to 8 | column | padding to 8 | column ...
 * ```
 */

import type { Timeline } from "./timeline.js";

type ColumnArray = Uint8Array | Uint32Array | Float64Array;

const COLUMNS = {
  lane: Uint32Array,
  atUs: Float64Array,
  kind: Uint8Array,
  bytes: Uint32Array,
  text: Uint32Array,
  turn: Uint32Array,
  contentAt: Uint32Array,
  contentLength: Uint32Array,
  digest: Uint32Array,
  beganUs: Float64Array,
  tookUs: Float64Array,
  ready: Uint32Array,
  contents: Uint8Array,
} as const;

type ColumnName = keyof typeof COLUMNS;

const NAMES = Object.keys(COLUMNS) as ColumnName[];
const ALIGNMENT = 8;
const LENGTH_BYTES = 4;

const aligned = (length: number): number => Math.ceil(length / ALIGNMENT) * ALIGNMENT;

export function pack(timeline: Timeline): Uint8Array<ArrayBuffer> {
  const { events, turns, contents, ...rest } = timeline;
  const columns: Record<string, ColumnArray> = { ...events, ...turns, contents };
  const lengths = NAMES.map((name) => columns[name]?.length ?? 0);
  const json = new TextEncoder().encode(JSON.stringify({ ...rest, lengths }));
  const size = NAMES.reduce(
    (sum, name) => sum + aligned(columns[name]?.byteLength ?? 0),
    aligned(LENGTH_BYTES + json.length),
  );
  const packed = new Uint8Array(size);
  new DataView(packed.buffer).setUint32(0, json.length, true);
  packed.set(json, LENGTH_BYTES);
  let at = aligned(LENGTH_BYTES + json.length);
  for (const name of NAMES) {
    const column = columns[name];
    if (column === undefined) continue;
    packed.set(new Uint8Array(column.buffer, column.byteOffset, column.byteLength), at);
    at += aligned(column.byteLength);
  }
  return packed;
}

/** @param packed what {@link pack} made, at the beginning of its memory */
export function unpack(packed: Uint8Array<ArrayBuffer>): Timeline {
  const length = new DataView(packed.buffer).getUint32(0, true);
  const json = new TextDecoder().decode(packed.subarray(LENGTH_BYTES, LENGTH_BYTES + length));
  const { lengths, ...rest } = JSON.parse(json) as Omit<Timeline, "events" | "turns" | "contents"> & {
    readonly lengths: readonly number[];
  };
  let at = aligned(LENGTH_BYTES + length);
  const next = <T extends ColumnArray>(
    type: { readonly BYTES_PER_ELEMENT: number; new (buffer: ArrayBuffer, at: number, length: number): T },
    name: ColumnName,
  ): T => {
    const column = new type(packed.buffer, at, lengths[NAMES.indexOf(name)] ?? 0);
    at += aligned(column.byteLength);
    return column;
  };
  // In the order of COLUMNS.
  const events = {
    lane: next(Uint32Array, "lane"),
    atUs: next(Float64Array, "atUs"),
    kind: next(Uint8Array, "kind"),
    bytes: next(Uint32Array, "bytes"),
    text: next(Uint32Array, "text"),
    turn: next(Uint32Array, "turn"),
    contentAt: next(Uint32Array, "contentAt"),
    contentLength: next(Uint32Array, "contentLength"),
    digest: next(Uint32Array, "digest"),
  };
  const turns = {
    beganUs: next(Float64Array, "beganUs"),
    tookUs: next(Float64Array, "tookUs"),
    ready: next(Uint32Array, "ready"),
  };
  return { ...rest, events, turns, contents: next(Uint8Array, "contents") };
}
