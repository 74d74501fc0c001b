/**
 * Owns the search for a terminator in a stream that comes in pieces. Knows nothing of channels.
 *
 * How much of a terminator a piece ends with is kept as a number, and the next piece is compared from there by the
 * method of Knuth, Morris and Pratt: what was read is neither kept nor read again.
 */

import { checkBytes } from "../../backend/check.js";

/** What ends a message: these bytes, so many bytes, or nothing (null, 0, "" or no bytes). A string stands for its UTF-8. */
export type Terminator = Uint8Array | string | number | null;

type Units = Uint8Array | Uint16Array;

/** A terminator of one or more bytes. */
export class Needle {
  readonly bytes: Uint8Array;
  readonly #borders: Uint32Array;

  /** @param bytes must not change from then on */
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#borders = bordersOf(bytes);
  }

  /** Where it stands first in `haystack` from `start` on, or -1. */
  indexIn(haystack: Uint8Array, start: number): number {
    const { bytes } = this;
    const single = bytes[0];
    if (bytes.length === 1 && single !== undefined) return haystack.indexOf(single, start);
    // Node's own search, which never reads a long run of false beginnings twice.
    return Buffer.prototype.indexOf.call(haystack, bytes, start);
  }

  /** How many of its first bytes are matched after `unit`, if `matched` were before it. */
  advance(matched: number, unit: number | undefined): number {
    return step(this.bytes, this.#borders, matched, unit);
  }

  /** How many of its first bytes, not all of them, stand at the end of `haystack` from `start` on. */
  prefixAtEnd(haystack: Uint8Array, start: number): number {
    return prefixAtEnd(haystack, start, this.bytes, this.#borders);
  }
}

/**
 * How much of the beginning of `needle`, not all of it, `haystack` ends with: bytes, or characters of two strings.
 * asynchat.find_prefix_at_end.
 */
export function findPrefixAtEnd(haystack: Uint8Array, needle: Uint8Array): number;
export function findPrefixAtEnd(haystack: string, needle: string): number;
export function findPrefixAtEnd(haystack: Uint8Array | string, needle: Uint8Array | string): number {
  if (typeof haystack === "string" && typeof needle === "string") {
    const units = unitsOf(needle);
    return prefixAtEnd(unitsOf(haystack.slice(-units.length)), 0, units, bordersOf(units));
  }
  checkBytes("haystack", haystack);
  checkBytes("needle", needle);
  return prefixAtEnd(haystack, 0, needle, bordersOf(needle));
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

/** For each length of a beginning: how long the longest shorter one is that it ends with. */
function bordersOf(needle: Units): Uint32Array {
  const borders = new Uint32Array(needle.length + 1);
  for (let i = 1; i < needle.length; i++) borders[i + 1] = step(needle, borders, borders[i] ?? 0, needle[i]);
  return borders;
}

function unitsOf(text: string): Uint16Array {
  return Uint16Array.from({ length: text.length }, (_, index) => text.charCodeAt(index));
}
