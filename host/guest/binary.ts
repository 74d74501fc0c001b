/**
 * Owns reading a module's bytes, as far as the JavaScript interface of WebAssembly does not tell: the types of imports and
 * exports, and the start function. Knows the binary format, types of the garbage collector's among it; knows no WASI.
 */

import { ByteReader, leb128 } from "./byte-reader.js";

/** A function that a module imports. */
export interface ImportedFunction {
  readonly module: string;
  readonly name: string;
  /** "(i32, i64) -> i32" */
  readonly signature: string;
}

export interface Section {
  readonly id: number;
  /** Where its number is, where its contents begin and end. */
  readonly at: number;
  readonly from: number;
  readonly to: number;
}

export const SectionId = { TYPE: 1, IMPORT: 2, FUNCTION: 3, MEMORY: 5, EXPORT: 7, START: 8 } as const;
const ExternalKind = { FUNCTION: 0, TABLE: 1, MEMORY: 2, GLOBAL: 3, TAG: 4 } as const;

const HEADER_BYTES = 8;
const VALUE_TYPES: ReadonlyMap<number, string> = new Map([
  [0x7f, "i32"],
  [0x7e, "i64"],
  [0x7d, "f32"],
  [0x7c, "f64"],
  [0x7b, "v128"],
  [0x70, "funcref"],
  [0x6f, "externref"],
]);

class Reader extends ByteReader {
  valueType(): string {
    const byte = this.byte();
    // (ref null? heap-type)
    if (byte === 0x63 || byte === 0x64) this.number();
    return VALUE_TYPES.get(byte) ?? "ref";
  }

  #field(): void {
    this.valueType();
    this.byte();
  }

  /** The signature of a function's type; undefined for another type. */
  #type(): string | undefined {
    const form = this.byte();
    if (form === 0x50 || form === 0x4f) {
      this.many(() => this.number());
      return this.#type();
    }
    if (form === 0x5f) {
      this.many(() => this.#field());
      return undefined;
    }
    if (form === 0x5e) {
      this.#field();
      return undefined;
    }
    if (form !== 0x60) throw new RangeError("a type of an unknown form");
    const parameters = this.many(() => this.valueType());
    const results = this.many(() => this.valueType());
    const result = results.length === 1 ? results[0] : `(${results.join(", ")})`;
    return `(${parameters.join(", ")}) -> ${result}`;
  }

  /** The types of a recursive group, or one. */
  types(): (string | undefined)[] {
    if (this.bytes[this.at] !== 0x4e) return [this.#type()];
    this.at += 1;
    return this.many(() => this.#type());
  }

  /** @returns its flags. */
  limits(): number {
    const flags = this.number();
    this.number();
    if ((flags & 1) !== 0) this.number();
    if ((flags & 8) !== 0) this.number();
    return flags;
  }
}

/** Flag of a memory with 64-bit addresses. */
const MEMORY64 = 4;

export class ModuleBinary {
  readonly sections: readonly Section[];
  readonly imports: readonly ImportedFunction[];
  /** Index of the start function. */
  readonly start: number | undefined;
  /** Has one of its memories addresses of 64 bits? */
  readonly hasMemory64: boolean;
  /** Indices of exported functions. */
  readonly #exports: ReadonlyMap<string, number>;
  readonly #exportNames: ReadonlySet<string>;
  /** By index of the function, imported ones first. */
  readonly #signatures: readonly (string | undefined)[];

  /** @throws RangeError for what it cannot read */
  constructor(bytes: Uint8Array) {
    this.sections = sectionsOf(bytes);
    const within = <T>(id: number, read: (reader: Reader) => T): T | undefined => {
      const section = this.sections.find((each) => each.id === id);
      return section === undefined ? undefined : read(new Reader(bytes, section.from, section.to));
    };
    const types = within(SectionId.TYPE, (reader) => reader.many(() => reader.types()).flat()) ?? [];
    const signature = (type: number): string => types[type] ?? "a type that is no function's";
    const imports = (within(SectionId.IMPORT, (reader) => reader.many(() => importOf(reader))) ?? []).filter(
      (each) => each !== undefined,
    );
    this.imports = imports.map(({ module, name, type }) => ({ module, name, signature: signature(type) }));
    const own = within(SectionId.FUNCTION, (reader) => reader.many(() => signature(reader.number()))) ?? [];
    this.#signatures = [...this.imports.map((each) => each.signature), ...own];
    const memories = within(SectionId.MEMORY, (reader) => reader.many(() => reader.limits())) ?? [];
    this.hasMemory64 = memories.some((flags) => (flags & MEMORY64) !== 0);
    const exports = within(SectionId.EXPORT, (reader) => reader.many(() => exportOf(reader))) ?? [];
    this.#exportNames = new Set(exports.map(({ name }) => name));
    this.#exports = new Map(
      exports.filter(({ kind }) => kind === ExternalKind.FUNCTION).map(({ name, index }) => [name, index]),
    );
    this.start = within(SectionId.START, (reader) => reader.number());
  }

  /** "(i32) -> i32" of an exported function; undefined where there is none. */
  exported(name: string): string | undefined {
    const index = this.#exports.get(name);
    return index === undefined ? undefined : this.#signatures[index];
  }

  /** A name that no export has. */
  freeName(wanted: string): string {
    let name = wanted;
    while (this.#exportNames.has(name)) name += "_";
    return name;
  }
}

function sectionsOf(bytes: Uint8Array): Section[] {
  const sections: Section[] = [];
  const reader = new Reader(bytes, HEADER_BYTES);
  while (reader.at < bytes.length) {
    const { at } = reader;
    const id = reader.byte();
    const length = reader.number();
    const from = reader.at;
    if (length > bytes.length - from) throw new RangeError("a section is longer than the rest of the module");
    reader.at += length;
    sections.push({ id, at, from, to: reader.at });
  }
  return sections;
}

/** undefined for what is no function. */
function importOf(reader: Reader): { module: string; name: string; type: number } | undefined {
  const module = reader.text();
  const name = reader.text();
  const kind = reader.byte();
  if (kind === ExternalKind.FUNCTION) return { module, name, type: reader.number() };
  if (kind === ExternalKind.TABLE) reader.valueType();
  if (kind === ExternalKind.TABLE || kind === ExternalKind.MEMORY) reader.limits();
  else if (kind === ExternalKind.GLOBAL) {
    reader.valueType();
    reader.byte();
  } else if (kind === ExternalKind.TAG) {
    reader.byte();
    reader.number();
  } else throw new RangeError("an import of an unknown kind");
  return undefined;
}

function exportOf(reader: Reader): { name: string; kind: number; index: number } {
  const name = reader.text();
  return { name, kind: reader.byte(), index: reader.number() };
}

/**
 * A module that exports its start function under `name` rather than have it called before anybody has its exports.
 * @returns its bytes, and by how many the code is further back in them
 */
export function exportStart(
  bytes: Uint8Array,
  { sections, start = 0 }: ModuleBinary,
  name: string,
): { readonly bytes: Uint8Array; readonly shift: number } {
  const parts: Uint8Array[] = [bytes.subarray(0, HEADER_BYTES)];
  let shift = 0;
  for (const { id, at, from, to } of sections) {
    if (id === SectionId.START) {
      shift -= to - at;
    } else if (id === SectionId.EXPORT) {
      const reader = new Reader(bytes, from);
      const count = reader.number();
      const text = new TextEncoder().encode(name);
      const contents = [
        Uint8Array.from(leb128(count + 1)),
        bytes.subarray(reader.at, to),
        Uint8Array.from([...leb128(text.length), ...text, ExternalKind.FUNCTION, ...leb128(start)]),
      ];
      const length = contents.reduce((sum, each) => sum + each.length, 0);
      const section = [Uint8Array.from([id, ...leb128(length)]), ...contents];
      parts.push(...section);
      shift += section.reduce((sum, each) => sum + each.length, 0) - (to - at);
    } else parts.push(bytes.subarray(at, to));
  }
  return { bytes: joined(parts), shift };
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
