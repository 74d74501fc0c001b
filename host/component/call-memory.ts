/**
 * Owns the memory of a component as a call of it sees it: what lies inside, the component's allocator, and strings in its
 * encoding. Knows no type of values, and no interface.
 */

import type { HandleTable } from "./resources.js";
import { Trap } from "./trap.js";

export type Encoding = "utf8" | "utf16" | "latin1+utf16";

/** A string of the host's is a copy in its memory: no name or path comes near this, and none is counted. */
const TEXT_BYTES_MAX = 1 << 20;

/** A component's memory, and what a call may do with it. */
export class CallMemory {
  readonly handles: HandleTable;
  readonly #memory: { readonly buffer: ArrayBuffer } | undefined;
  readonly #realloc: ((old: number, oldBytes: number, align: number, bytes: number) => number) | undefined;
  readonly #encoding: Encoding;
  #view = new DataView(new ArrayBuffer(0));
  #bytes = new Uint8Array(0);

  constructor(
    handles: HandleTable,
    memory: { readonly buffer: ArrayBuffer } | undefined,
    realloc: ((old: number, oldBytes: number, align: number, bytes: number) => number) | undefined,
    encoding: Encoding,
  ) {
    this.handles = handles;
    this.#memory = memory;
    this.#realloc = realloc;
    this.#encoding = encoding;
  }

  /** The memory. Growing replaces its buffer, and so does a call of {@link allocate}. */
  get bytes(): Uint8Array {
    // An array over a buffer that was replaced is empty.
    if (this.#bytes.length === 0) this.#renew();
    return this.#bytes;
  }

  get view(): DataView {
    if (this.#bytes.length === 0) this.#renew();
    return this.#view;
  }

  #renew(): void {
    if (this.#memory === undefined) throw new Trap("a function was lowered without a memory");
    const { buffer } = this.#memory;
    this.#bytes = new Uint8Array(buffer);
    this.#view = new DataView(buffer);
  }

  /** @throws Trap for bytes that are not all in the memory */
  check(at: number, length: number): void {
    if (at + length > this.bytes.length) throw new Trap("an argument leads out of the component's memory");
  }

  /** @throws Trap as {@link check} */
  slice(at: number, length: number): Uint8Array {
    const start = at >>> 0;
    this.check(start, length);
    return this.bytes.subarray(start, start + length);
  }

  /** Room for `length` bytes, by the component's own allocator. */
  allocate(align: number, length: number): number {
    if (this.#realloc === undefined) throw new Trap("a function was lowered without an allocator");
    const { handles } = this;
    handles.mayCall = false;
    const at = this.#realloc(0, 0, align, length) >>> 0;
    handles.mayCall = true;
    if (at % align !== 0 || at + length > this.bytes.length) throw new Trap("its allocator returned no usable address");
    return at;
  }

  text(at: number, length: number): string {
    if (this.#encoding === "utf8") return decode(utf8, this.#textBytes(at, length));
    if (this.#encoding === "utf16") return decode(utf16, this.#textBytes(at, length * 2));
    // The highest bit of the length says which of the two it is.
    const units = length & 0x7fffffff;
    return length >>> 31 === 1
      ? decode(utf16, this.#textBytes(at, units * 2))
      : decode(latin1, this.#textBytes(at, units));
  }

  #textBytes(at: number, length: number): Uint8Array {
    const found = this.slice(at, length);
    if (this.#encoding !== "utf8" && (at & 1) !== 0) throw new Trap("a string is not aligned");
    if (length > TEXT_BYTES_MAX) throw new Trap(`a string has more bytes than the host takes: ${length}`);
    return found;
  }

  /** Writes a string to room of the component's, and its address and length to `at`. */
  storeText(at: number, text: string): void {
    const isUtf8 = this.#encoding === "utf8";
    const bytes = Buffer.from(text, isUtf8 ? "utf8" : "utf16le");
    const units = isUtf8 ? bytes.length : bytes.length / 2;
    const textAt = this.allocate(isUtf8 ? 1 : 2, bytes.length);
    this.bytes.set(bytes, textAt);
    this.storeSpan(at, textAt, this.#encoding === "latin1+utf16" ? (units | 0x80000000) >>> 0 : units);
  }

  /** Writes an address and a length to `at`. */
  storeSpan(at: number, start: number, length: number): void {
    this.view.setUint32(at, start, true);
    this.view.setUint32(at + 4, length, true);
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const utf16 = new TextDecoder("utf-16le", { fatal: true, ignoreBOM: true });
const latin1 = { decode: (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1") };

function decode(decoder: { decode(bytes: Uint8Array): string }, bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new Trap("a string is none of its encoding");
  }
}
