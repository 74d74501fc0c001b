/** Owns reading the values of a WebAssembly binary. Knows their encoding; knows no section and no instruction. */

import { ModuleError } from "./errors.js";

/** Types of references with a heap type after them: `(ref null ht)`, `(ref ht)`. */
const REF_NULL = 0x63;
const REF = 0x64;

export class Reader {
  readonly bytes: Uint8Array;
  /** Of the next byte. */
  at: number;
  readonly end: number;

  constructor(bytes: Uint8Array, at = 0, end = bytes.length) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  get isAtEnd(): boolean {
    return this.at >= this.end;
  }

  byte(): number {
    if (this.at >= this.end) throw damaged("it ends too early");
    return this.bytes[this.at++] ?? 0;
  }

  skip(length: number): void {
    if (length > this.end - this.at) throw damaged("it ends too early");
    this.at += length;
  }

  /** An unsigned number of up to 32 bits. */
  u32(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) {
        if (value > 0xffff_ffff) break;
        return value;
      }
    }
    throw damaged("a number is too long");
  }

  /** Skips a number of any width and sign. */
  skipNumber(): void {
    for (let length = 0; length < 10; length++) if (this.byte() < 0x80) return;
    throw damaged("a number is too long");
  }

  skipNumbers(count: number): void {
    for (let index = 0; index < count; index++) this.skipNumber();
  }

  /** A vector's length, which is no more than the bytes that are left. */
  count(): number {
    const count = this.u32();
    if (count > this.end - this.at) throw damaged("a vector is longer than its section");
    return count;
  }

  name(): Uint8Array {
    const length = this.u32();
    const from = this.at;
    this.skip(length);
    return this.bytes.subarray(from, this.at);
  }

  skipValueType(): void {
    const type = this.byte();
    if (type === REF_NULL || type === REF) this.skipNumber();
  }

  /** A value type, nothing, or the index of a type: what blocks are declared with. */
  skipBlockType(): void {
    const first = this.byte();
    if (first === REF_NULL || first === REF) this.skipNumber();
    else if (first >= 0x80) {
      this.at--;
      this.skipNumber();
    }
  }
}

export function damaged(what: string): ModuleError {
  return new ModuleError("ERR_PLUGIN_FORMAT", `it is not valid WebAssembly: ${what}`);
}

export function unsupported(what: string): ModuleError {
  return new ModuleError("ERR_PLUGIN_FEATURE", `it uses ${what}, which is not served under a policy`);
}
