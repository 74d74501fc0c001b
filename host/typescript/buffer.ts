/**
 * Owns Buffer: the package "buffer", with what Node has beyond it. Node's methods take any Uint8Array where those of the package
 * insist on a Buffer, search a long run of false beginnings in linear time, and know the encoding base64url.
 */

import { Buffer } from "buffer";

type Direction = "indexOf" | "lastIndexOf";

const { prototype } = Buffer;
const { equals, copy, toString, write } = prototype;
const { from, byteLength, isEncoding } = Buffer;

function asBuffer(value: unknown): unknown {
  return value instanceof Uint8Array && !Buffer.isBuffer(value)
    ? Buffer.from(value.buffer, value.byteOffset, value.byteLength)
    : value;
}

/** Where a search begins: as the package has it. */
function startOf(length: number, offset: unknown): number {
  const number = Math.trunc(Number(offset));
  if (Number.isNaN(number)) return 0;
  return Math.min(number < 0 ? Math.max(0, length + number) : number, length);
}

/** Index of `needle` at or after `start`, or -1: Knuth, Morris and Pratt's search, which skips to a first byte at once. */
function search(haystack: Uint8Array, needle: Uint8Array, start: number): number {
  const [first] = needle;
  if (first === undefined) return start;
  const borders = bordersOf(needle);
  let matched = 0;
  for (let at = start; at < haystack.length; at++) {
    if (matched === 0) {
      at = haystack.indexOf(first, at);
      if (at < 0) return -1;
    }
    while (matched > 0 && haystack[at] !== needle[matched]) matched = borders[matched - 1] ?? 0;
    if (haystack[at] === needle[matched]) matched += 1;
    if (matched === needle.length) return at + 1 - matched;
  }
  return -1;
}

/** For each beginning of `bytes`, how long the longest end of it is that is a beginning as well. */
function bordersOf(bytes: Uint8Array): Uint32Array {
  const borders = new Uint32Array(bytes.length);
  let length = 0;
  for (let at = 1; at < bytes.length; at++) {
    while (length > 0 && bytes[at] !== bytes[length]) length = borders[length - 1] ?? 0;
    if (bytes[at] === bytes[length]) length += 1;
    borders[at] = length;
  }
  return borders;
}

function searching(name: Direction): (...values: unknown[]) => number {
  const original = prototype[name] as (...values: unknown[]) => number;
  return function (this: Uint8Array, value: unknown, offset?: unknown, encoding?: unknown): number {
    if (name === "lastIndexOf" || typeof value === "number")
      return original.call(this, asBuffer(value), offset, encoding);
    const [start, how] = typeof offset === "string" ? [0, offset] : [startOf(this.length, offset), encoding];
    // The package compares those two bytes at a time.
    if (/^(?:ucs-?2|utf-?16le)$/i.test(String(how))) return original.call(this, asBuffer(value), start, how);
    if (typeof value === "string") return search(this, Buffer.from(value, how as BufferEncoding), start);
    if (value instanceof Uint8Array) return search(this, value, start);
    return original.call(this, value);
  };
}

const isUrlSafe = (encoding: unknown): boolean => String(encoding).toLowerCase() === "base64url";
/** Both alphabets are read as base64. */
const readable = <T>(encoding: T): T | "base64" => (isUrlSafe(encoding) ? "base64" : encoding);

function define(target: object, methods: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(methods)) {
    Object.defineProperty(target, name, { value, writable: true, configurable: true });
  }
}

type Method = (this: unknown, ...values: unknown[]) => unknown;

define(prototype, {
  indexOf: searching("indexOf"),
  lastIndexOf: searching("lastIndexOf"),
  includes(this: Buffer, value: Uint8Array, offset?: number, encoding?: BufferEncoding): boolean {
    return this.indexOf(value, offset, encoding) !== -1;
  },
  equals(this: Buffer, other: unknown): boolean {
    return (equals as Method).call(this, asBuffer(other)) as boolean;
  },
  copy(this: Buffer, target: unknown, ...range: unknown[]): number {
    return (copy as Method).call(this, asBuffer(target), ...range) as number;
  },
  toString(this: Buffer, encoding?: unknown, ...range: unknown[]): string {
    const text = (toString as Method).call(this, readable(encoding), ...range) as string;
    if (!isUrlSafe(encoding)) return text;
    return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  },
  write(this: Buffer, text: string, ...where: unknown[]): number {
    return (write as Method).call(this, text, ...where.map(readable)) as number;
  },
});
define(Buffer, {
  from: (value: unknown, how?: unknown, length?: unknown) =>
    (from as Method)(value, typeof value === "string" ? readable(how) : how, length),
  byteLength: (value: unknown, encoding?: unknown) =>
    isUrlSafe(encoding)
      ? Math.floor((String(value).replace(/=+$/, "").length * 3) / 4)
      : (byteLength as Method)(value, encoding),
  isEncoding: (encoding: unknown) => isUrlSafe(encoding) || (isEncoding as Method)(encoding),
});

export { Buffer };
