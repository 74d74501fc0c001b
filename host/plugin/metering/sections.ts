/**
 * Owns a module as a sequence of sections: takes it apart, and puts it together again with some of them replaced. Knows the
 * order of sections; knows none of their contents.
 */

import { damaged, Reader, unsupported } from "./reader.js";
import { Writer } from "./writer.js";

export const SectionId = {
  CUSTOM: 0,
  TYPE: 1,
  IMPORT: 2,
  FUNCTION: 3,
  TABLE: 4,
  MEMORY: 5,
  GLOBAL: 6,
  EXPORT: 7,
  START: 8,
  ELEMENT: 9,
  CODE: 10,
  DATA: 11,
  DATA_COUNT: 12,
  TAG: 13,
} as const;

const ORDER: readonly number[] = [
  SectionId.TYPE,
  SectionId.IMPORT,
  SectionId.FUNCTION,
  SectionId.TABLE,
  SectionId.MEMORY,
  SectionId.TAG,
  SectionId.GLOBAL,
  SectionId.EXPORT,
  SectionId.START,
  SectionId.ELEMENT,
  SectionId.DATA_COUNT,
  SectionId.CODE,
  SectionId.DATA,
];

const HEADER = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);

/** Millions of custom sections, of a few bytes each, would keep the thread of the host busy for seconds. Compilers make some dozens. */
const SECTIONS_MAX = 10_000;

interface Section {
  readonly id: number;
  /** Of its contents. */
  readonly from: number;
  readonly to: number;
}

export class Sections {
  readonly #bytes: Uint8Array;
  readonly #sections: readonly Section[];

  /** @throws ModuleError for what is no core module */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#sections = read(bytes);
  }

  /** The contents of a section, of which there is at most one. */
  find(id: number): Reader | undefined {
    const section = this.#sections.find((each) => each.id === id);
    return section === undefined ? undefined : new Reader(this.#bytes, section.from, section.to);
  }

  /**
   * Puts the module together.
   * @param replaced contents by id; undefined leaves the section out. Those of the others are as they were
   * @param keeps whether the custom section with these contents remains
   * @param placed is called with the positions of a section's contents, in the new module and, where it is not replaced, in
   *   the old one
   */
  write(
    replaced: ReadonlyMap<number, Uint8Array | undefined>,
    keeps: (custom: Reader) => boolean,
    placed: (id: number, at: number, from: number | undefined) => void,
  ): Uint8Array {
    const writer = new Writer(this.#bytes.length + (this.#bytes.length >> 2) + 256);
    writer.bytes(HEADER);
    const missing = new Set([...replaced.keys()].filter((id) => replaced.get(id) !== undefined));
    for (const { id } of this.#sections) missing.delete(id);
    const put = (id: number, contents: Uint8Array, from?: number): void => {
      writer.byte(id);
      writer.u32(contents.length);
      placed(id, writer.length, from);
      writer.bytes(contents);
    };
    const putMissing = (rank: number): void => {
      for (const id of ORDER) {
        const contents = missing.has(id) && ORDER.indexOf(id) < rank ? replaced.get(id) : undefined;
        if (contents === undefined) continue;
        put(id, contents);
        missing.delete(id);
      }
    };
    for (const { id, from, to } of this.#sections) {
      const contents = this.#bytes.subarray(from, to);
      if (id === SectionId.CUSTOM) {
        if (keeps(new Reader(this.#bytes, from, to))) put(id, contents);
        continue;
      }
      putMissing(ORDER.indexOf(id));
      if (!replaced.has(id)) put(id, contents, from);
      else {
        const other = replaced.get(id);
        if (other !== undefined) put(id, other);
      }
    }
    putMissing(ORDER.length);
    return writer.written;
  }
}

function read(bytes: Uint8Array): readonly Section[] {
  for (const [index, byte] of HEADER.entries()) if (bytes[index] !== byte) throw damaged("it is no core module");
  const reader = new Reader(bytes, HEADER.length);
  const sections: Section[] = [];
  let rank = -1;
  while (!reader.isAtEnd) {
    const id = reader.byte();
    const size = reader.u32();
    const from = reader.at;
    reader.skip(size);
    if (id !== SectionId.CUSTOM) {
      const next = ORDER.indexOf(id);
      if (next <= rank) throw damaged(`section ${id} is unknown or out of order`);
      rank = next;
    }
    sections.push({ id, from, to: reader.at });
    if (sections.length > SECTIONS_MAX) throw unsupported(`more than ${SECTIONS_MAX} sections`);
  }
  return sections;
}
