/** Owns taking numbers and names from a component's bytes, and the errors of bytes that make no sense. Knows no section. */

import { GuestError } from "../guest/module.js";
import { printable } from "../backend/printable.js";

/** As of a core module. */
const NAME_BYTES_MAX = 100_000;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export class ByteReader {
  readonly bytes: Uint8Array;
  readonly end: number;
  at: number;

  constructor(bytes: Uint8Array, from: number, end: number) {
    this.bytes = bytes;
    this.at = from;
    this.end = end;
  }

  byte(): number {
    const value = this.at < this.end ? this.bytes[this.at] : undefined;
    if (value === undefined) throw ended();
    this.at += 1;
    return value;
  }

  number(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      if (scale > 2 ** 28) throw ended();
    }
  }

  text(): string {
    const length = this.number();
    const from = this.at;
    if (from + length > this.end) throw ended();
    if (length > NAME_BYTES_MAX) throw tooLarge(`a name of ${length} bytes`);
    this.at += length;
    try {
      return utf8.decode(this.bytes.subarray(from, this.at));
    } catch {
      throw unknown("a name that is no text");
    }
  }
}

export function unknown(what: string): GuestError {
  return new GuestError("ERR_GUEST_FORMAT", `the component has what is not known here: ${printable(what)}`);
}

export function tooLarge(what: string): GuestError {
  return new GuestError("ERR_GUEST_FORMAT", `the component has ${what}`);
}

export function ended(): GuestError {
  return new GuestError("ERR_GUEST_FORMAT", "the component ends in the middle, or is damaged");
}
