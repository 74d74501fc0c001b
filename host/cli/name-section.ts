/**
 * Owns the names that a built module keeps: those of the program's functions, which runtimes print when it
 * traps. Knows the binary format of WebAssembly; knows no compiler.
 */

import { ByteReader, leb128 } from "../guest/byte-reader.js";

const HEADER_BYTES = 8;
const SECTION_CUSTOM = 0;
const SUBSECTION_FUNCTIONS = 1;

/**
 * Gives `module` back with the names of the program's functions, and with no others.
 * @throws RangeError where a section, or a name in one, is longer than the rest
 */
export function keepOwnNames(module: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [module.subarray(0, HEADER_BYTES)];
  const reader = new ByteReader(module, HEADER_BYTES);
  while (reader.at < module.length) {
    const start = reader.at;
    const id = reader.byte();
    const length = reader.number();
    const end = length + reader.at;
    if (end > module.length) throw new RangeError("a section is longer than the rest of the module");
    const content = new ByteReader(module, reader.at, end);
    if (id === SECTION_CUSTOM && content.text() === "name") parts.push(nameSection(functionNames(content)));
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

function functionNames(reader: ByteReader): Map<number, string> {
  const names = new Map<number, string>();
  while (reader.at < reader.end) {
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
  const entries = [...names].map(([index, name]) =>
    Buffer.concat([Buffer.from(leb128(index)), sized(Buffer.from(name))]),
  );
  const functions = Buffer.concat([Buffer.from(leb128(names.size)), ...entries]);
  const content = [sized(Buffer.from("name")), Buffer.of(SUBSECTION_FUNCTIONS), sized(functions)];
  return Buffer.concat([Buffer.of(SECTION_CUSTOM), sized(Buffer.concat(content))]);
}

function sized(bytes: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from(leb128(bytes.length)), bytes]);
}
