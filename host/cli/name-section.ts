/**
 * Owns the names that a built module keeps: those of the program's functions, which runtimes print when it
 * traps. Knows the binary format of WebAssembly; knows no compiler.
 */

const HEADER_BYTES = 8;
const SECTION_CUSTOM = 0;
const SUBSECTION_FUNCTIONS = 1;

/** Gives `module` back with the names of the program's functions, and with no others. */
export function keepOwnNames(module: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [module.subarray(0, HEADER_BYTES)];
  const reader = new Reader(module, HEADER_BYTES);
  while (reader.at < module.length) {
    const start = reader.at;
    const id = reader.byte();
    const end = reader.number() + reader.at;
    const content = new Reader(module, reader.at);
    if (id === SECTION_CUSTOM && content.text() === "name") parts.push(nameSection(functionNames(content, end)));
    else parts.push(module.subarray(start, end));
    reader.at = end;
  }
  return Buffer.concat(parts);
}

/** The library's function that prints why a program aborts. */
const ABORT = "~lib/wasyncore/assembly/guest/globals/guestAbort";

/**
 * "EchoHandler#handleRead": of a program's own name what is behind the path of its file. The library's stay out: in a
 * backtrace it is the handler's name that helps.
 */
function keptName(name: string): string | undefined {
  if (name === ABORT) return "abort";
  return /^(start:)?~/.test(name) ? undefined : name.replace(/^(start:)?(?:[^/<(]+\/)+/, "$1");
}

function functionNames(reader: Reader, end: number): Map<number, string> {
  const names = new Map<number, string>();
  while (reader.at < end) {
    const id = reader.byte();
    const next = reader.number() + reader.at;
    if (id === SUBSECTION_FUNCTIONS) {
      for (let count = reader.number(); count > 0; count--) {
        const index = reader.number();
        const name = keptName(reader.text());
        if (name !== undefined) names.set(index, name);
      }
    }
    reader.at = next;
  }
  return names;
}

function nameSection(names: ReadonlyMap<number, string>): Uint8Array {
  const entries = [...names].map(([index, name]) => Buffer.concat([leb(index), sized(Buffer.from(name))]));
  const functions = Buffer.concat([leb(names.size), ...entries]);
  const content = [sized(Buffer.from("name")), Buffer.of(SUBSECTION_FUNCTIONS), sized(functions)];
  return Buffer.concat([Buffer.of(SECTION_CUSTOM), sized(Buffer.concat(content))]);
}

function sized(bytes: Uint8Array): Uint8Array {
  return Buffer.concat([leb(bytes.length), bytes]);
}

/** An unsigned LEB128. */
function leb(value: number): Uint8Array {
  const bytes: number[] = [];
  let left = value;
  while (left > 0x7f) {
    bytes.push((left & 0x7f) | 0x80);
    left >>>= 7;
  }
  return Uint8Array.of(...bytes, left);
}

class Reader {
  readonly #bytes: Uint8Array;
  at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.at = at;
  }

  byte(): number {
    const byte = this.#bytes[this.at++];
    if (byte === undefined) throw new RangeError("the module is cut off");
    return byte;
  }

  number(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
  }

  text(): string {
    const length = this.number();
    this.at += length;
    return Buffer.from(this.#bytes.subarray(this.at - length, this.at)).toString();
  }
}
