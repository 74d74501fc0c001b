/**
 * Owns the pass over a module's binary before it is compiled: limits its memory and its tables, has its start function called
 * by the host instead of by the engine, and, on request, meters its code; where it does not, sees to it that a thread that runs
 * the code can be ended. Knows the sections that this concerns; knows nothing of who runs the module.
 *
 * Everything is appended (two types, a function, a table, a global, exports), so that no index in the module changes:
 *
 * ```
 * (global $fuel (export "wasyncore.fuel") (mut i32) (i32.const 0))
 * (table $refill (export "wasyncore.refill") 1 1 funcref)     ;; the host puts a function into it: () -> i32
 * (func $check                                                ;; called where $fuel is below zero
 *   (global.set $fuel (call_indirect $refill (i32.const 0)))
 *   (if (i32.eqz (global.get $fuel)) (then unreachable)))
 * ```
 * The trap is an `unreachable` because a guest can catch what a function of the host throws, and cannot catch a trap.
 * A module that is not metered gets an empty function instead, where it has an instruction that works on a range.
 */

import { BodyMeter } from "./body.js";
import { keepsCustom } from "./customs.js";
import { checkElements, limitMemory, limitTables } from "./limits.js";
import { putPauses } from "./pauses.js";
import { damaged, Reader, unsupported } from "./reader.js";
import { SectionId, Sections } from "./sections.js";
import { Writer } from "./writer.js";

export { ModuleError, type ModuleErrorCode } from "./errors.js";

export interface PrepareOptions {
  /** Does its code call the host when it has used up an allowance? */
  readonly metered: boolean;
  /** Bytes that its memory may grow to. Infinity: what it declares. */
  readonly maxMemoryBytes: number;
  /** Entries that all its tables together may grow to. Infinity: what it declares. */
  readonly maxTableEntries: number;
}

/** A module that was prepared, and the names of the exports that the pass has added. */
export interface Prepared {
  readonly bytes: Uint8Array;
  /** The global with the allowance, an i32; undefined where it is not metered. */
  readonly fuel: string | undefined;
  /** The table whose entry is called for a new allowance; 0 traps. */
  readonly refill: string | undefined;
  /** The start function, to be called once before anything else. */
  readonly start: string | undefined;
  /** The function that the pass has added: a trap of the meter is in it. No function has the index where none was added. */
  readonly check: number;
  /** What the memory that it defines may grow to, where that is limited; 0 where it defines none. */
  readonly memoryBytes: number;
  /** How many memories it defines. */
  readonly memories: number;
  /** How many tables it defines, where those are limited. */
  readonly tables: number;
}

const FUNC = 0x60;
const FUNCREF = 0x70;
const I32 = 0x7f;
const END = 0x0b;
const ExternalKind = { FUNCTION: 0, TABLE: 1, MEMORY: 2, GLOBAL: 3, TAG: 4 } as const;

/** @throws ModuleError for a damaged module, for features that are not served, and for one that needs more than is allowed */
export function prepareModule(bytes: Uint8Array, options: PrepareOptions): Prepared {
  return new Pass(bytes, options).run(undefined);
}

/**
 * Finds the position in the module's own bytes of one in the prepared bytes, by running the pass once more.
 * @returns `offset` itself for what the pass has written
 */
export function originalOffset(bytes: Uint8Array, options: PrepareOptions, offset: number): number {
  const marks: number[] = [];
  new Pass(bytes, options).run(marks);
  let found = offset;
  for (let index = 0; index < marks.length; index += 2) {
    const at = marks[index] ?? 0;
    if (at > offset) break;
    found = (marks[index + 1] ?? 0) + (offset - at);
  }
  return found;
}

class Pass {
  readonly #sections: Sections;
  readonly #options: PrepareOptions;
  readonly #replaced = new Map<number, Uint8Array | undefined>();
  /** How many of each kind are imported, by {@link ExternalKind}. */
  readonly #imported = [0, 0, 0, 0, 0];
  /** Parameters of each type. */
  readonly #parameters: number[] = [];
  /** The type of each function that the module defines. */
  #functionTypes: number[] = [];
  #tables = 0;
  #globals = 0;

  constructor(bytes: Uint8Array, options: PrepareOptions) {
    this.#sections = new Sections(bytes);
    this.#options = options;
  }

  run(marks: number[] | undefined): Prepared {
    const { metered, maxMemoryBytes } = this.#options;
    this.#readImports();
    this.#readFunctions();
    this.#limitTables();
    let memoryBytes = 0;
    const memory = this.#sections.find(SectionId.MEMORY);
    if (memory !== undefined && maxMemoryBytes !== Infinity) {
      const writer = new Writer(16);
      memoryBytes = limitMemory(memory, maxMemoryBytes, writer);
      this.#replaced.set(SectionId.MEMORY, writer.written);
    }
    if (metered) {
      this.#addTypes();
      this.#addFunction();
      this.#addGlobal();
    }
    const memories = this.#sections.find(SectionId.MEMORY)?.count() ?? 0;
    const names = this.#addExports();
    const codeMarks: number[] | undefined = marks === undefined ? undefined : [];
    if (metered) this.#meterCode(codeMarks);
    else if (this.#putPauses(codeMarks)) {
      this.#addTypes();
      this.#addFunction();
    }
    const isMoved = this.#replaced.has(SectionId.CODE);
    const keeps = (custom: Reader): boolean => keepsCustom(custom, isMoved);
    const bytes = this.#sections.write(this.#replaced, keeps, (id, at, from) => {
      if (id !== SectionId.CODE || marks === undefined) return;
      if (from !== undefined) marks.push(at, from);
      else for (const [index, mark] of (codeMarks ?? []).entries()) marks.push(index % 2 === 0 ? mark + at : mark);
    });
    return { bytes, ...names, check: this.#check, memoryBytes, memories, tables: this.#tables };
  }

  /** The index of the function that is added. */
  get #check(): number {
    return (this.#imported[ExternalKind.FUNCTION] ?? 0) + this.#functionTypes.length;
  }

  #readImports(): void {
    const reader = this.#sections.find(SectionId.IMPORT);
    for (let left = reader?.count() ?? 0; reader !== undefined && left > 0; left--) {
      reader.name();
      reader.name();
      const kind = reader.byte();
      switch (kind) {
        case ExternalKind.FUNCTION:
          reader.skipNumber();
          break;
        case ExternalKind.TABLE:
          reader.skipValueType();
          skipLimits(reader);
          break;
        case ExternalKind.MEMORY:
          skipLimits(reader);
          break;
        case ExternalKind.GLOBAL:
          reader.skipValueType();
          reader.byte();
          break;
        case ExternalKind.TAG:
          reader.byte();
          reader.skipNumber();
          break;
        default:
          throw damaged("an import of an unknown kind");
      }
      this.#imported[kind] = (this.#imported[kind] ?? 0) + 1;
    }
  }

  #readFunctions(): void {
    const reader = this.#sections.find(SectionId.FUNCTION);
    if (reader !== undefined) this.#functionTypes = Array.from({ length: reader.count() }, () => reader.u32());
  }

  #limitTables(): void {
    const { metered, maxTableEntries } = this.#options;
    if (!metered && maxTableEntries === Infinity) return;
    const elements = this.#sections.find(SectionId.ELEMENT);
    if (elements !== undefined && maxTableEntries !== Infinity) checkElements(elements);
    const entries = new Writer();
    const reader = this.#sections.find(SectionId.TABLE);
    const count = reader === undefined ? 0 : limitTables(reader, Math.min(maxTableEntries, TABLE_ENTRIES_MAX), entries);
    this.#tables = count;
    const writer = new Writer(entries.length + 16);
    writer.u32(count + Number(metered));
    writer.bytes(entries.written);
    if (metered) for (const byte of [FUNCREF, 1, 1, 1]) writer.byte(byte);
    if (metered || count > 0) this.#replaced.set(SectionId.TABLE, writer.written);
  }

  #addTypes(): void {
    const reader = this.#sections.find(SectionId.TYPE);
    const count = reader?.count() ?? 0;
    const from = reader?.at ?? 0;
    for (let left = count; reader !== undefined && left > 0; left--) {
      if (reader.byte() !== FUNC) throw unsupported("types for garbage collection");
      const parameters = reader.count();
      this.#parameters.push(parameters);
      for (let each = 0; each < parameters; each++) reader.skipValueType();
      for (let results = reader.count(); results > 0; results--) reader.skipValueType();
    }
    const writer = new Writer();
    writer.u32(count + 2);
    if (reader !== undefined) writer.range(reader.bytes, from, reader.end);
    for (const byte of [FUNC, 0, 0, FUNC, 0, 1, I32]) writer.byte(byte);
    this.#replaced.set(SectionId.TYPE, writer.written);
  }

  #addFunction(): void {
    const reader = this.#sections.find(SectionId.FUNCTION);
    const count = reader?.count() ?? 0;
    const writer = new Writer();
    writer.u32(count + 1);
    if (reader !== undefined) writer.range(reader.bytes, reader.at, reader.end);
    writer.u32(this.#parameters.length);
    this.#replaced.set(SectionId.FUNCTION, writer.written);
  }

  #addGlobal(): void {
    const reader = this.#sections.find(SectionId.GLOBAL);
    this.#globals = reader?.count() ?? 0;
    const writer = new Writer();
    writer.u32(this.#globals + 1);
    if (reader !== undefined) writer.range(reader.bytes, reader.at, reader.end);
    // Mutable, and below zero after the first charge: the first call asks for an allowance.
    for (const byte of [I32, 1, 0x41, 0, END]) writer.byte(byte);
    this.#replaced.set(SectionId.GLOBAL, writer.written);
  }

  #addExports(): Pick<Prepared, "fuel" | "refill" | "start"> {
    const { metered } = this.#options;
    const startIndex = this.#sections.find(SectionId.START)?.u32();
    if (!metered && startIndex === undefined) return { fuel: undefined, refill: undefined, start: undefined };
    const reader = this.#sections.find(SectionId.EXPORT);
    const count = reader?.count() ?? 0;
    if (count > EXPORTS_MAX) throw unsupported(`more than ${EXPORTS_MAX} exports`);
    const from = reader?.at ?? 0;
    const taken = new Set<string>();
    for (let left = count; reader !== undefined && left > 0; left--) {
      taken.add(Buffer.from(reader.name()).toString());
      reader.skip(1);
      reader.skipNumber();
    }
    const added = new Writer();
    let more = 0;
    const add = (kind: number, index: number, wanted: string): string => {
      let name = wanted;
      while (taken.has(name)) name += "'";
      added.name(name);
      added.byte(kind);
      added.u32(index);
      more++;
      return name;
    };
    const globals = (this.#imported[ExternalKind.GLOBAL] ?? 0) + this.#globals;
    const tables = (this.#imported[ExternalKind.TABLE] ?? 0) + this.#tables;
    const fuel = metered ? add(ExternalKind.GLOBAL, globals, "wasyncore.fuel") : undefined;
    const refill = metered ? add(ExternalKind.TABLE, tables, "wasyncore.refill") : undefined;
    const start = startIndex === undefined ? undefined : add(ExternalKind.FUNCTION, startIndex, "wasyncore.start");
    this.#replaced.set(SectionId.START, undefined);
    const writer = new Writer();
    writer.u32(count + more);
    if (reader !== undefined) writer.range(reader.bytes, from, reader.end);
    writer.bytes(added.written);
    this.#replaced.set(SectionId.EXPORT, writer.written);
    return { fuel, refill, start };
  }

  #meterCode(marks: number[] | undefined): void {
    const global = (this.#imported[ExternalKind.GLOBAL] ?? 0) + this.#globals;
    const meter = new BodyMeter({ global, check: this.#check });
    const put = (reader: Reader, type: number, body: Writer): void =>
      meter.meter(reader, this.#parameters[type] ?? 0, body, marks);
    this.#replaceCode(put, (body) => this.#writeCheck(body, global), marks);
  }

  /** @returns whether there is anything to put them before */
  #putPauses(marks: number[] | undefined): boolean {
    let isNeeded = false;
    const put = (reader: Reader, _: number, body: Writer): void => {
      if (putPauses(reader, this.#check, body, marks)) isNeeded = true;
    };
    const writeEmpty = (body: Writer): void => {
      body.byte(0); // No locals.
      body.byte(END);
    };
    this.#replaceCode(put, writeEmpty, marks);
    if (!isNeeded) this.#replaced.delete(SectionId.CODE);
    return isNeeded;
  }

  /**
   * @param put writes the body of a function of a type
   * @param add writes the one of the function that is added
   */
  #replaceCode(
    put: (reader: Reader, type: number, body: Writer) => void,
    add: (body: Writer) => void,
    marks: number[] | undefined,
  ): void {
    const reader = this.#sections.find(SectionId.CODE);
    const count = reader?.count() ?? 0;
    if (count !== this.#functionTypes.length) throw damaged("it has not as much code as functions");
    const size = reader === undefined ? 0 : reader.end - reader.at;
    const writer = new Writer(size + (size >> 1) + 64);
    const body = new Writer(4096);
    writer.u32(count + 1);
    for (let index = 0; reader !== undefined && index < count; index++) {
      const length = reader.u32();
      const from = reader.at;
      reader.skip(length);
      body.clear();
      const first = marks?.length ?? 0;
      put(new Reader(reader.bytes, from, reader.at), this.#functionTypes[index] ?? 0, body);
      writer.u32(body.length);
      if (marks !== undefined) {
        for (let mark = first; mark < marks.length; mark += 2) marks[mark] = (marks[mark] ?? 0) + writer.length;
      }
      writer.bytes(body.written);
    }
    body.clear();
    add(body);
    writer.u32(body.length);
    writer.bytes(body.written);
    this.#replaced.set(SectionId.CODE, writer.written);
  }

  #writeCheck(body: Writer, global: number): void {
    body.byte(0); // No locals.
    body.byte(0x41); // i32.const
    body.byte(0);
    body.byte(0x11); // call_indirect
    body.u32(this.#parameters.length + 1);
    body.u32((this.#imported[ExternalKind.TABLE] ?? 0) + this.#tables);
    body.byte(0x24); // global.set
    body.u32(global);
    body.byte(0x23); // global.get
    body.u32(global);
    body.byte(0x45); // i32.eqz
    body.byte(0x04); // if
    body.byte(0x40);
    body.byte(0x00); // unreachable
    body.byte(END);
    body.byte(END);
  }
}

/** V8's own limit: beyond it, reading them would be in vain, and would take the host's thread a second for each five million bytes. */
const EXPORTS_MAX = 100_000;
/** V8's own limit for one table. */
const TABLE_ENTRIES_MAX = 10_000_000;

function skipLimits(reader: Reader): void {
  const flags = reader.byte();
  reader.skipNumbers((flags & 1) === 0 ? 1 : 2);
}
