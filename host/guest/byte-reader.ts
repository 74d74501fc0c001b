/** Owns the encoding of numbers and names in a WebAssembly binary, read and written. Knows no section. */

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

export class ByteReader {
  readonly bytes: Uint8Array;
  readonly end: number;
  /** Of the next byte. */
  at: number;

  constructor(bytes: Uint8Array, at: number, end = bytes.length) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  /** @throws RangeError behind the end, as all of these */
  byte(): number {
    const value = this.at < this.end ? this.bytes[this.at] : undefined;
    if (value === undefined) throw new RangeError("the module ends too early");
    this.at += 1;
    return value;
  }

  /** LEB128, signed or not, of which only what fits in 53 bits is exact. */
  number(): number {
    let value = 0;
    let scale = 1;
    while (true) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
  }

  text(): string {
    const length = this.number();
    if (length > this.end - this.at) throw new RangeError("a name is longer than the rest of the module");
    this.at += length;
    return utf8.decode(this.bytes.subarray(this.at - length, this.at));
  }

  many<T>(each: () => T): T[] {
    const count = this.number();
    const found: T[] = [];
    for (let i = 0; i < count; i++) found.push(each());
    return found;
  }
}

/** Unsigned LEB128. */
export function leb128(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest % 128) | 0x80);
  }
}
