/**
 * Owns values in records: what calls take and return, with a tag before each. Knows nothing of calls.
 *
 * Contents are either there, or a length and a hash are there instead.
 */

import { OSError } from "../backend/errors.js";
import { textOf } from "../backend/traceback.js";
import { hashOf } from "./hash.js";
import { BLOCK_MAX, RecordingError } from "./format.js";
import type { Fields } from "./reader.js";

const Tag = {
  UNDEFINED: 0,
  NULL: 1,
  FALSE: 2,
  TRUE: 3,
  INTEGER: 4,
  FLOAT: 5,
  BIGINT: 6,
  TEXT: 7,
  BYTES: 8,
  HASHED: 9,
  LIST: 10,
  OBJECT: 11,
  INET: 12,
  UNIX: 13,
  ERROR: 14,
  THROWN: 15,
} as const;

/** Values of values of values: none of the seam is deeper. */
const DEPTH_MAX = 8;
/** In place of what is deeper: a wrong argument, as an object that has itself as a property. */
export const TOO_DEEP = "values within values";
const LIST_MAX = 0x10_0000;
/** Digits: what takes them apart costs more than their number. */
const BIGINT_MAX = 10_000;

const utf8 = new TextEncoder();
const fromUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** In place of contents: how many bytes there were, and their hash. */
export class Hashed {
  readonly length: number;
  readonly hash: number;

  constructor(length: number, hash: number) {
    this.length = length;
    this.hash = hash;
  }

  static of(data: Uint8Array): Hashed {
    return new Hashed(data.length, hashOf(data));
  }
}

/** What a call threw, or a promise was rejected with. */
export class Thrown {
  readonly error: unknown;

  constructor(error: unknown) {
    this.error = error;
  }
}

const BYTES_AT_FIRST = 1024;
/** A buffer that one record has made larger is given back. */
const BYTES_KEPT = 0x10_0000;

/** Collects the values of one record. */
export class ValueBuffer {
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(BYTES_AT_FIRST);
  #view = new DataView(this.#bytes.buffer);
  #at = 0;
  readonly #most: number;
  #isTooLong = false;

  /** @param most how many bytes it takes */
  constructor(most = BLOCK_MAX) {
    this.#most = most;
  }

  clear(): void {
    this.#at = 0;
    this.#isTooLong = false;
    if (this.#bytes.length > BYTES_KEPT) this.#hold(new Uint8Array(BYTES_AT_FIRST));
  }

  /** Is there no room for what was put? Then {@link contents} are of no use. */
  get isTooLong(): boolean {
    return this.#isTooLong;
  }

  /** What was put since {@link clear}; valid until something else is. */
  get contents(): Uint8Array {
    return this.#bytes.subarray(0, this.#at);
  }

  /** @param replace what to put in place of contents */
  put(value: unknown, replace: (data: Uint8Array) => Uint8Array | Hashed, depth = 0): void {
    switch (typeof value) {
      case "undefined":
        return this.#tag(Tag.UNDEFINED);
      case "boolean":
        return this.#tag(value ? Tag.TRUE : Tag.FALSE);
      case "number":
        return this.#number(value);
      case "bigint":
        this.#tag(Tag.BIGINT);
        return this.#text(value.toString());
      case "string":
        this.#tag(Tag.TEXT);
        return this.#text(value);
      case "object":
        if (depth <= DEPTH_MAX) return this.#object(value, replace, depth);
        this.#tag(Tag.TEXT);
        return this.#text(TOO_DEEP);
      default:
        // A wrong type, which the call refuses.
        this.#tag(Tag.TEXT);
        return this.#text(`a ${typeof value}`);
    }
  }

  #number(value: number): void {
    if (Number.isInteger(value) && Math.abs(value) < 2 ** 51 && !Object.is(value, -0)) {
      this.#tag(Tag.INTEGER);
      return this.#varint(value < 0 ? -2 * value - 1 : 2 * value);
    }
    this.#tag(Tag.FLOAT);
    this.#reserve(8);
    this.#view.setFloat64(this.#at, value, true);
    this.#at += 8;
  }

  #object(value: object | null, replace: (data: Uint8Array) => Uint8Array | Hashed, depth: number): void {
    if (value === null) return this.#tag(Tag.NULL);
    if (value instanceof Uint8Array) {
      const kept = replace(value);
      return kept instanceof Hashed ? this.#hashed(kept) : this.#contents(kept);
    }
    if (value instanceof Hashed) return this.#hashed(value);
    if (value instanceof Thrown) {
      const { code, errno, syscall, address, message } = Object(value.error) as Record<string, unknown>;
      const isOfSystem = typeof code === "string" && typeof syscall === "string";
      this.#tag(isOfSystem ? Tag.ERROR : Tag.THROWN);
      const parts = isOfSystem ? [code, errno, syscall, address] : [textOf(() => message ?? value.error)];
      for (const part of parts) this.put(part, replace, depth + 1);
      return;
    }
    if (Array.isArray(value)) {
      this.#tag(Tag.LIST);
      this.#varint(value.length);
      for (const each of value) this.put(each, replace, depth + 1);
      return;
    }
    const entries = Object.entries(value).filter(([, each]) => each !== undefined);
    const { host, port, path } = value as Record<string, unknown>;
    if (entries.length === 2 && typeof host === "string" && Number.isInteger(port) && Number(port) >= 0) {
      this.#tag(Tag.INET);
      this.#text(host);
      return this.#varint(port as number);
    }
    if (entries.length === 1 && typeof path === "string") {
      this.#tag(Tag.UNIX);
      return this.#text(path);
    }
    this.#tag(Tag.OBJECT);
    this.#varint(entries.length);
    for (const [key, each] of entries) {
      this.#text(key);
      this.put(each, replace, depth + 1);
    }
  }

  #hashed({ length, hash }: Hashed): void {
    this.#tag(Tag.HASHED);
    this.#varint(length);
    this.#varint(hash);
  }

  #contents(data: Uint8Array): void {
    this.#tag(Tag.BYTES);
    this.#varint(data.length);
    this.#copy(data);
  }

  #tag(tag: number): void {
    this.#reserve(1);
    this.#bytes[this.#at++] = tag;
  }

  #varint(value: number): void {
    this.#reserve(8);
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.#at++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes[this.#at++] = rest;
  }

  #text(text: string): void {
    const encoded = utf8.encode(text);
    this.#varint(encoded.length);
    this.#copy(encoded);
  }

  #copy(data: Uint8Array): void {
    if (!this.#reserve(data.length)) return;
    this.#bytes.set(data, this.#at);
    this.#at += data.length;
  }

  /** @returns is there room? For a number there always is: what is too long is written over. */
  #reserve(length: number): boolean {
    const needed = this.#at + length;
    if (needed <= this.#bytes.length) return true;
    if (needed <= this.#most) {
      try {
        const larger = new Uint8Array(Math.min(Math.max(this.#bytes.length * 2, needed), this.#most));
        larger.set(this.#bytes.subarray(0, this.#at));
        this.#hold(larger);
        return true;
      } catch {
        // There is no memory for it.
      }
    }
    this.#isTooLong = true;
    this.#at = 0;
    return length <= this.#bytes.length;
  }

  #hold(bytes: Uint8Array<ArrayBuffer>): void {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }
}

/** Reads one value. @throws RecordingError for what is none */
export function readValue(fields: Fields, depth = 0): unknown {
  if (depth > DEPTH_MAX) throw new RecordingError("damaged: values within values without end");
  const tag = fields.byte();
  switch (tag) {
    case Tag.UNDEFINED:
      return undefined;
    case Tag.NULL:
      return null;
    case Tag.FALSE:
      return false;
    case Tag.TRUE:
      return true;
    case Tag.INTEGER:
      return fields.signed();
    case Tag.FLOAT: {
      const bytes = fields.bytesOf(8);
      return new DataView(bytes.buffer, bytes.byteOffset, 8).getFloat64(0, true);
    }
    case Tag.BIGINT:
      return bigintOf(readText(fields));
    case Tag.TEXT:
      return readText(fields);
    case Tag.BYTES:
      return fields.bytesOf(fields.varint());
    case Tag.HASHED:
      return new Hashed(fields.varint(), fields.varint());
    case Tag.LIST: {
      const count = fields.varint();
      if (count > LIST_MAX) throw new RecordingError("damaged: a list is too long");
      const list: unknown[] = [];
      for (let i = 0; i < count; i++) list.push(readValue(fields, depth + 1));
      return list;
    }
    case Tag.OBJECT: {
      const count = fields.varint();
      if (count > LIST_MAX) throw new RecordingError("damaged: an object is too large");
      const entries: [string, unknown][] = [];
      for (let i = 0; i < count; i++) entries.push([readText(fields), readValue(fields, depth + 1)]);
      return Object.fromEntries(entries);
    }
    case Tag.INET:
      return { host: readText(fields), port: fields.varint() };
    case Tag.UNIX:
      return { path: readText(fields) };
    case Tag.ERROR:
      return new Thrown(systemError(Array.from({ length: 4 }, () => readValue(fields, depth + 1))));
    case Tag.THROWN:
      return new Thrown(new Error(textIn(readValue(fields, depth + 1))));
    default:
      throw new RecordingError(`damaged: no value begins with ${tag}`);
  }
}

function readText(fields: Fields): string {
  try {
    return fromUtf8.decode(fields.bytesOf(fields.varint()));
  } catch (error) {
    if (error instanceof RecordingError) throw error;
    throw new RecordingError("damaged: a text is not UTF-8");
  }
}

/** "" for what has no text of its own: an object of a recording may have anything in place of `toString`. */
export function textIn(value: unknown): string {
  return typeof value === "object" ? "" : String(value);
}

function bigintOf(text: string): bigint {
  if (text.length > BIGINT_MAX || !/^-?\d+$/.test(text)) throw new RecordingError("damaged: no whole number");
  return BigInt(text);
}

function systemError([code, errno, syscall, address]: readonly unknown[]): OSError {
  return new OSError(textIn(code), {
    ...(typeof errno === "number" ? { errno } : undefined),
    syscall: textIn(syscall),
    ...(typeof address === "string" ? { address } : undefined),
  });
}
