/**
 * Owns how a guest reads the data of a scenario: values in the encoding of ../guest-encoding.ts, which writes them. Knows
 * no handler.
 *
 * ```
 * value = "s" length ":" bytes     text, a byte a character
 *       | "p" length ":"           a pattern of so many bytes
 *       | "n" number ":"           a whole number
 *       | "t" | "f" | "z"          true, false, null
 *       | "l" length ":" value...  a list of so many values
 * ```
 */

const COLON: u8 = 58;
const MINUS: u8 = 45;
const ZERO: i32 = 48;

/** One value. `kind` is the letter that it begins with. */
export class Value {
  kind: string = "z";
  /** Of "n": the number; of "p": how many bytes; of "t": 1. */
  number: i32 = 0;
  /** Of "s", a byte a character. */
  text: string = "";
  list: Value[] = [];

  get isTrue(): bool {
    return this.kind === "t";
  }

  /** The bytes of a text or a pattern. */
  get bytes(): Uint8Array {
    const length = this.kind === "p" ? this.number : this.text.length;
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i++) {
      bytes[i] = u8(this.kind === "p" ? i * 7 + (i >> 8) : this.text.charCodeAt(i));
    }
    return bytes;
  }
}

/** Reads one value after the other. */
export class Reader {
  private bytes: Uint8Array;
  private at: i32 = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  next(): Value {
    const value = new Value();
    const kind = String.fromCharCode(this.byte());
    value.kind = kind;
    if (kind === "t") value.number = 1;
    if (kind === "t" || kind === "f" || kind === "z") return value;
    value.number = this.count();
    if (kind === "s") {
      for (let i = 0; i < value.number; i++) value.text += String.fromCharCode(this.byte());
    } else if (kind === "l") {
      for (let i = 0; i < value.number; i++) value.list.push(this.next());
    }
    return value;
  }

  private byte(): u8 {
    const byte = this.bytes[this.at];
    this.at += 1;
    return byte;
  }

  /** Decimals up to a colon. */
  private count(): i32 {
    let count: i32 = 0;
    let sign: i32 = 1;
    while (true) {
      const byte = this.byte();
      if (byte === COLON) return sign * count;
      if (byte === MINUS) sign = -1;
      else count = count * 10 + i32(byte) - ZERO;
    }
  }
}
