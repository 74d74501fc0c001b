/**
 * Owns the fields of a record while it is put together: its length must be known before it is written. Knows how parameters are
 * encoded; knows no call.
 */

import type { RecordingWriter } from "../../record/writer.js";
import { PARAMETERS_MAX } from "./format.js";
import type { Parameter } from "./values.js";

const BYTES = 512;
const VARINT_MAX = 8;

export class Body {
  /** How many bytes it has. */
  length = 0;
  #bytes = new Uint8Array(BYTES);

  clear(): this {
    this.length = 0;
    return this;
  }

  /** A whole number from 0 to 2^32 - 1. */
  varint(value: number): void {
    this.#need(VARINT_MAX);
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.length++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#bytes[this.length++] = rest;
  }

  uint32(value: number): void {
    this.#need(4);
    const { length } = this;
    const bytes = this.#bytes;
    bytes[length] = value;
    bytes[length + 1] = value >>> 8;
    bytes[length + 2] = value >>> 16;
    bytes[length + 3] = value >>> 24;
    this.length = length + 4;
  }

  bytes(bytes: Uint8Array): void {
    this.#need(bytes.length);
    this.#bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** Their number, and the bytes. */
  counted(bytes: Uint8Array): void {
    this.varint(bytes.length);
    this.bytes(bytes);
  }

  /** 16 hexadecimal digits. */
  hash(digits: string): void {
    this.uint32(Number.parseInt(digits.slice(0, 8), 16));
    this.uint32(Number.parseInt(digits.slice(8), 16));
  }

  /** An i64 in two halves, so that no bigint is taken apart. */
  parameter(value: Parameter): void {
    if (typeof value === "bigint") {
      this.varint(Number(BigInt.asUintN(32, value)));
      this.varint(Number(BigInt.asUintN(32, value >> 32n)));
    } else this.varint((value ?? 0) >>> 0);
  }

  /**
   * A bit for each parameter that is another than in the call of the same function before, and these.
   * @param total of the vector's lengths, as one more parameter
   * @param before the parameters of that call; of this one afterwards
   */
  parameters(parameters: readonly Parameter[], total: number | undefined, before: Parameter[]): void {
    let mask = 0;
    const length = Math.min(parameters.length, PARAMETERS_MAX);
    for (let i = 0; i < length; i++) if (parameters[i] !== before[i + 1]) mask |= 2 << i;
    if (total !== undefined && total !== before[0]) mask |= 1;
    this.varint(mask);
    if (mask === 0) return;
    if ((mask & 1) !== 0) {
      this.parameter(total);
      before[0] = total;
    }
    for (let i = 0; i < length; i++) {
      if ((mask & (2 << i)) === 0) continue;
      this.parameter(parameters[i]);
      before[i + 1] = parameters[i];
    }
  }

  copyTo(writer: RecordingWriter): void {
    writer.bytes(this.#bytes, this.length);
  }

  #need(bytes: number): void {
    if (this.length + bytes <= this.#bytes.length) return;
    const larger = new Uint8Array(2 * (this.length + bytes));
    larger.set(this.#bytes.subarray(0, this.length));
    this.#bytes = larger;
  }
}
