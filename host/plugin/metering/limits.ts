/**
 * Owns the limits that a module declares for its memory and its tables: lowers them to what is allowed, so that the engine
 * refuses to grow them further. Knows their encoding; knows no code.
 */

import { ModuleError } from "./errors.js";
import { skipImmediates, Op } from "./instructions.js";
import { damaged, type Reader, unsupported } from "./reader.js";
import type { Writer } from "./writer.js";

export const PAGE = 65_536;
const PAGES_MAX = 65_536;
const HAS_MAXIMUM = 1;
const IS_SHARED = 2;
/** A table whose elements have an initial value. */
const WITH_VALUE = 0x40;

/** In pages, or in entries. */
export interface Limits {
  readonly flags: number;
  readonly minimum: number;
  /** Infinity where none is declared. */
  readonly maximum: number;
}

/** @throws ModuleError for one of 64 bits */
export function readLimits(reader: Reader, what: string): Limits {
  const flags = reader.byte();
  if (flags > (HAS_MAXIMUM | IS_SHARED)) throw unsupported(`a 64-bit ${what}`);
  const minimum = reader.u32();
  return { flags, minimum, maximum: (flags & HAS_MAXIMUM) === 0 ? Infinity : reader.u32() };
}

function writeLimits(writer: Writer, { flags, minimum, maximum }: Limits, limit: number): void {
  writer.byte(flags | HAS_MAXIMUM);
  writer.u32(minimum);
  writer.u32(Math.min(maximum, limit));
}

/**
 * Writes the contents of a memory section, for up to `maxBytes`.
 * @returns the bytes that its memory may grow to
 * @throws ModuleError where the module needs more
 */
export function limitMemory(reader: Reader, maxBytes: number, writer: Writer): number {
  const count = reader.count();
  if (count > 1) throw unsupported("several memories");
  writer.u32(count);
  if (count === 0) return 0;
  const limits = readLimits(reader, "memory");
  const pages = Math.min(PAGES_MAX, Math.floor(maxBytes / PAGE));
  if (limits.minimum > pages) {
    const message = `it needs ${limits.minimum * PAGE} bytes of memory, and is allowed ${maxBytes}`;
    throw new ModuleError("ERR_PLUGIN_MEMORY", message);
  }
  writeLimits(writer, limits, pages);
  return Math.min(limits.maximum, pages) * PAGE;
}

/**
 * Writes the entries of a table section, without their number, for up to `maxEntries` in all of them.
 * @returns how many tables there are
 */
export function limitTables(reader: Reader, maxEntries: number, writer: Writer): number {
  const tables: { from: number; limitsFrom: number; limits: Limits; valueFrom: number; to: number }[] = [];
  const count = reader.count();
  let total = 0;
  for (let left = count; left > 0; left--) {
    const from = reader.at;
    const hasValue = reader.byte() === WITH_VALUE;
    if (!hasValue) reader.at = from;
    else if (reader.byte() !== 0) throw damaged("a table of an unknown kind");
    reader.skipValueType();
    const limitsFrom = reader.at;
    const limits = readLimits(reader, "table");
    const valueFrom = reader.at;
    if (hasValue) skipExpression(reader);
    total += limits.minimum;
    tables.push({ from, limitsFrom, limits, valueFrom, to: reader.at });
  }
  if (total > maxEntries) {
    const message = `its tables need ${total} entries, and it is allowed ${maxEntries}`;
    throw new ModuleError("ERR_PLUGIN_MEMORY", message);
  }
  const share = Math.floor((maxEntries - total) / Math.max(1, count));
  for (const { from, limitsFrom, limits, valueFrom, to } of tables) {
    writer.range(reader.bytes, from, limitsFrom);
    writeLimits(writer, limits, limits.minimum + share);
    writer.range(reader.bytes, valueFrom, to);
  }
  return count;
}

/** The engine makes a value on the heap of each element, of a segment at once: more than this might exhaust that of a thread. */
const ELEMENTS_MAX = 250_000;
const Segment = { IS_NOT_ACTIVE: 1, NAMES_ITS_TABLE: 2, HAS_EXPRESSIONS: 4 } as const;

/** Reads an element section. @throws ModuleError where all segments together have too many elements */
export function checkElements(reader: Reader): void {
  let total = 0;
  for (let left = reader.count(); left > 0; left--) {
    const flags = reader.u32();
    if (flags > 7) throw damaged("elements of an unknown kind");
    const has = (flag: number): boolean => (flags & flag) !== 0;
    if (!has(Segment.IS_NOT_ACTIVE)) {
      if (has(Segment.NAMES_ITS_TABLE)) reader.skipNumber();
      skipExpression(reader);
    }
    if (has(Segment.HAS_EXPRESSIONS) && flags !== Segment.HAS_EXPRESSIONS) reader.skipValueType();
    else if (flags !== 0 && flags !== Segment.HAS_EXPRESSIONS) reader.byte();
    const count = reader.count();
    total += count;
    if (total > ELEMENTS_MAX)
      throw new ModuleError("ERR_PLUGIN_MEMORY", `it has ${total} elements of tables, and is allowed ${ELEMENTS_MAX}`);
    for (let each = 0; each < count; each++) {
      if (has(Segment.HAS_EXPRESSIONS)) skipExpression(reader);
      else reader.skipNumber();
    }
  }
}

function skipExpression(reader: Reader): void {
  for (let opcode = reader.byte(); opcode !== Op.END; opcode = reader.byte()) skipImmediates(reader, opcode);
}
