/** Owns TextEncoder and TextDecoder: UTF-8, and Latin-1 for decoding. Knows nothing else. */

const REPLACEMENT = 0xfffd;
/** As many arguments as a call takes without a doubt. */
const CHUNK = 4096;
const LATIN1 = new Set(["latin1", "iso-8859-1", "windows-1252", "ascii", "us-ascii"]);

export class TextEncoder {
  readonly encoding = "utf-8";

  encode(text = ""): Uint8Array {
    return new Uint8Array(encoded(String(text)));
  }

  encodeInto(text: string, target: Uint8Array): { read: number; written: number } {
    let [read, written] = [0, 0];
    for (const character of text) {
      const bytes = encoded(character);
      if (written + bytes.length > target.length) break;
      target.set(bytes, written);
      written += bytes.length;
      read += character.length;
    }
    return { read, written };
  }
}

function encoded(text: string): number[] {
  const bytes: number[] = [];
  for (let i = 0; i < text.length; i++) {
    let code = text.charCodeAt(i);
    if (code < 0x80) {
      bytes.push(code);
      continue;
    }
    if ((code & 0xf800) === 0xd800) {
      const low = text.charCodeAt(i + 1);
      if (code < 0xdc00 && (low & 0xfc00) === 0xdc00) {
        code = ((code - 0xd800) << 10) + (low - 0xdc00) + 0x10000;
        i += 1;
      } else {
        code = REPLACEMENT;
      }
    }
    if (code < 0x800) bytes.push(0xc0 | (code >> 6));
    else if (code < 0x10000) bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63));
    else bytes.push(0xf0 | (code >> 18), 0x80 | ((code >> 12) & 63), 0x80 | ((code >> 6) & 63));
    bytes.push(0x80 | (code & 63));
  }
  return bytes;
}

export interface TextDecoderOptions {
  readonly fatal?: boolean;
  readonly ignoreBOM?: boolean;
}

export class TextDecoder {
  readonly encoding: string;
  readonly fatal: boolean;
  readonly ignoreBOM: boolean;
  #rest: number[] = [];
  #isBegun = false;

  constructor(label = "utf-8", { fatal = false, ignoreBOM = false }: TextDecoderOptions = {}) {
    const name = String(label).trim().toLowerCase();
    if (name !== "utf-8" && name !== "utf8" && !LATIN1.has(name)) {
      throw new RangeError(`The "${label}" encoding is not supported`);
    }
    this.encoding = LATIN1.has(name) ? "windows-1252" : "utf-8";
    this.fatal = fatal;
    this.ignoreBOM = ignoreBOM;
  }

  decode(input?: ArrayBuffer | ArrayBufferView, { stream = false }: { readonly stream?: boolean } = {}): string {
    const given = bytesOf(input);
    const bytes = this.#rest.length > 0 ? Uint8Array.from([...this.#rest, ...given]) : given;
    this.#rest = [];
    if (this.encoding !== "utf-8") return textOf(bytes);
    const codes: number[] = [];
    const end = this.#decode(bytes, codes, stream);
    if (end < bytes.length) this.#rest = [...bytes.subarray(end)];
    if (!this.#isBegun && !this.ignoreBOM && codes[0] === 0xfeff) codes.shift();
    this.#isBegun = stream && (this.#isBegun || codes.length > 0);
    let text = "";
    for (let i = 0; i < codes.length; i += CHUNK) text += String.fromCharCode(...codes.slice(i, i + CHUNK));
    return text;
  }

  /** Appends UTF-16 to `codes`. @returns how far it came: a sequence that goes on in the next piece is left */
  #decode(bytes: Uint8Array, codes: number[], stream: boolean): number {
    let i = 0;
    while (i < bytes.length) {
      const first = bytes[i] ?? 0;
      if (first < 0x80) {
        codes.push(first);
        i += 1;
        continue;
      }
      const length =
        first >= 0xc2 && first < 0xe0 ? 2 : first >= 0xe0 && first < 0xf0 ? 3 : first >= 0xf0 && first < 0xf5 ? 4 : 0;
      let code = length === 2 ? first & 31 : length === 3 ? first & 15 : first & 7;
      let read = 1;
      for (; read < length; read++) {
        const next = bytes[i + read];
        if (next === undefined) {
          if (stream) return i;
          break;
        }
        const low = read > 1 ? 0x80 : first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
        const high = read > 1 ? 0xbf : first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
        if (next < low || next > high) break;
        code = (code << 6) | (next & 63);
      }
      i += read;
      if (length === 0 || read < length) {
        if (this.fatal) {
          const error = new TypeError("The encoded data was not valid for encoding utf-8");
          throw Object.assign(error, { code: "ERR_ENCODING_INVALID_ENCODED_DATA" });
        }
        code = REPLACEMENT;
      }
      if (code < 0x10000) codes.push(code);
      else codes.push(0xd800 + ((code - 0x10000) >> 10), 0xdc00 + ((code - 0x10000) & 0x3ff));
    }
    return i;
  }
}

function bytesOf(input: ArrayBuffer | ArrayBufferView | undefined): Uint8Array {
  if (input === undefined) return new Uint8Array(0);
  return ArrayBuffer.isView(input)
    ? new Uint8Array(input.buffer, input.byteOffset, input.byteLength)
    : new Uint8Array(input);
}

function textOf(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += CHUNK) text += String.fromCharCode(...bytes.subarray(i, i + CHUNK));
  return text;
}
