/**
 * Owns the search for a terminator in a stream that arrives in pieces. Knows nothing of channels.
 *
 * The length of a partial terminator at the end of a piece is kept as a number, and the search continues from there in
 * the next piece by the Knuth-Morris-Pratt algorithm: earlier input is neither kept nor read again.
 */

import { plainBytes } from "../../net/plain-bytes.js";
import { ownBytesOf } from "./bytes.js";

/** What ends a message: bytes, a number of bytes, or nothing (null, 0, "" or no bytes). A string is taken as UTF-8. */
export type Terminator = Uint8Array | string | number | null;

/** Does it end messages? Without one, what has arrived is passed on. */
export function endsMessages(terminator: Terminator): boolean {
  return terminator !== null && terminator !== 0 && (typeof terminator === "number" || terminator.length > 0);
}

type Units = Uint8Array | Uint16Array;

/** So far, and for terminators of so few bytes, a search here is cheaper than the call of native code that makes it. */
const NEAR_BYTES = 64;
const SHORT_NEEDLE_BYTES = 8;

/** A terminator of one or more bytes. */
export class Needle {
  readonly bytes: Uint8Array;
  readonly #borders: Uint32Array;

  /** @param bytes must not change afterwards */
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#borders = bordersOf(bytes);
  }

  /** Index of its first occurrence in `haystack` at or after `start`, or -1. */
  indexIn(haystack: Uint8Array, start: number): number {
    const { bytes } = this;
    const single = bytes[0];
    let from = start;
    if (bytes.length <= SHORT_NEEDLE_BYTES) {
      const last = haystack.length - bytes.length;
      for (const end = Math.min(last, start + NEAR_BYTES); from <= end; from++) {
        if (haystack[from] === single && this.#isAt(haystack, from)) return from;
      }
      if (from > last) return -1;
    }
    if (bytes.length === 1 && single !== undefined) return haystack.indexOf(single, from);
    // Node's own search, which stays linear on long runs of false beginnings.
    return Buffer.prototype.indexOf.call(haystack, bytes, from);
  }

  #isAt(haystack: Uint8Array, at: number): boolean {
    const { bytes } = this;
    let i = 1;
    while (i < bytes.length && haystack[at + i] === bytes[i]) i++;
    return i === bytes.length;
  }

  /** How many of its first bytes match after `unit`, given that `matched` did before it. */
  advance(matched: number, unit: number | undefined): number {
    return step(this.bytes, this.#borders, matched, unit);
  }

  /** Length of its longest proper prefix with which `haystack`, from `start` on, ends. */
  prefixAtEnd(haystack: Uint8Array, start: number): number {
    return prefixAtEnd(haystack, start, this.bytes, this.#borders);
  }
}

/** Needles of strings, which all channels share: a server gives every connection the same few terminators. */
const shared = new Map<string, Needle>();
const SHARED_MAX = 64;
const SHARED_LENGTH_MAX = 64;

/** The needle for a terminator that is a string, encoded as UTF-8; undefined for an empty one. */
export function needleOf(text: string): Needle | undefined {
  if (text === "") return undefined;
  let needle = shared.get(text);
  if (needle !== undefined) return needle;
  needle = new Needle(ownBytesOf(text));
  if (text.length > SHARED_LENGTH_MAX) return needle;
  if (shared.size === SHARED_MAX) shared.clear();
  shared.set(text, needle);
  return needle;
}

/**
 * Length of the longest proper prefix of `needle` with which `haystack` ends: in bytes, or in characters for strings.
 * asynchat.find_prefix_at_end.
 */
export function findPrefixAtEnd(haystack: Uint8Array, needle: Uint8Array): number;
export function findPrefixAtEnd(haystack: string, needle: string): number;
export function findPrefixAtEnd(haystack: Uint8Array | string, needle: Uint8Array | string): number {
  if (typeof haystack === "string" && typeof needle === "string") {
    const units = unitsOf(needle);
    return prefixAtEnd(unitsOf(haystack.slice(-units.length)), 0, units, bordersOf(units));
  }
  const bytes = plainBytes("needle", needle);
  return prefixAtEnd(plainBytes("haystack", haystack), 0, bytes, bordersOf(bytes));
}

function prefixAtEnd(haystack: Units, start: number, needle: Units, borders: Uint32Array): number {
  let matched = 0;
  const from = Math.max(start, haystack.length - needle.length + 1);
  for (let i = from; i < haystack.length; i++) matched = step(needle, borders, matched, haystack[i]);
  return matched;
}

function step(needle: Units, borders: Uint32Array, matched: number, unit: number | undefined): number {
  let length = matched;
  while (length > 0 && needle[length] !== unit) length = borders[length] ?? 0;
  return needle[length] === unit ? length + 1 : length;
}

/** For each prefix length: the length of the longest shorter prefix with which that prefix ends. */
function bordersOf(needle: Units): Uint32Array {
  const borders = new Uint32Array(needle.length + 1);
  for (let i = 1; i < needle.length; i++) borders[i + 1] = step(needle, borders, borders[i] ?? 0, needle[i]);
  return borders;
}

function unitsOf(text: string): Uint16Array {
  return Uint16Array.from({ length: text.length }, (_, index) => text.charCodeAt(index));
}
