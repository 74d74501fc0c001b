/** Owns reading the types of a component, as far as its streams and futures need them. Knows the binary format; knows no instance. */

import { ByteReader, unknown } from "../bytes.js";
import type { Element } from "./streams.js";

/** Bytes of a number type by its number; others are not moved between ends that are the component's both. */
const SIZES: Readonly<Record<number, number>> = {
  ...{ 0x7e: 1, 0x7d: 1, 0x7c: 2, 0x7b: 2, 0x7a: 4, 0x79: 4, 0x78: 8, 0x77: 8, 0x76: 4, 0x75: 8 },
};
const STREAM = 0x66;
const FUTURE = 0x65;

/** The types of a section in their order; undefined for one that is neither a stream nor a future. */
export function elementsIn(section: Uint8Array): (Element | undefined)[] {
  const reader = new TypeReader(section, 0, section.length);
  return reader.many(() => reader.type());
}

const DEPTH_MAX = 16;

/**
 * What follows the number of a type: n a name, t a number, b a byte, o a number if there is one, r a result, d a declaration; after a
 * star as often as a number before says.
 */
const SHAPES: Readonly<Record<number, string>> = {
  ...{ 0x72: "*nt", 0x71: "*nob", 0x70: "t", 0x6f: "*t", 0x6e: "*n", 0x6d: "*n", 0x6b: "t", 0x6a: "oo", 0x69: "t" },
  ...{ 0x68: "t", 0x67: "tt", 0x63: "tt", 0x3f: "bo", 0x40: "*ntr", 0x43: "*ntr", 0x41: "*d", 0x42: "*d" },
};

class TypeReader extends ByteReader {
  #depth = 0;

  many<T>(read: () => T): T[] {
    const found: T[] = [];
    for (let count = this.number(); count > 0; count--) found.push(read());
    return found;
  }

  type(): Element | undefined {
    const kind = this.byte();
    if (kind === STREAM || kind === FUTURE) {
      // Of what is no number, nothing is known.
      const size = this.byte() === 0 ? 0 : this.#size();
      return { isFuture: kind === FUTURE, size, align: size ?? 1, type: undefined };
    }
    const shape = SHAPES[kind] ?? "";
    // Others are numbers, a string: one byte.
    if (shape === "" && (kind < 0x64 || kind > 0x7f)) throw unknown(`a type ${kind}`);
    this.#skip(shape);
    return undefined;
  }

  #size(): number | undefined {
    const { at } = this;
    const type = this.number();
    // A type of its own has a number as well: from 64 on in two bytes, as they are signed.
    return this.at === at + 1 ? SIZES[type] : undefined;
  }

  #skip(shape: string): void {
    // What returns something follows the parameters, and is there once.
    const [each = "", rest = ""] = shape.startsWith("*") ? shape.slice(1).split(/(?=r)/) : ["", shape];
    if (each !== "") for (let count = this.number(); count > 0; count--) for (const what of each) this.#one(what);
    for (const what of rest) this.#one(what);
  }

  #one(what: string): void {
    if (what === "n") this.text();
    else if (what === "t") this.number();
    else if (what === "b") this.byte();
    else if (what === "d") this.#declaration();
    else if ((this.byte() !== 0) === (what === "o")) this.number();
    else if (what === "r") this.byte();
  }

  /** One of an instance or of a component. */
  #declaration(): void {
    const kind = this.byte();
    if (kind === 0x01) {
      if (++this.#depth > DEPTH_MAX) throw unknown("types inside of types");
      this.type();
      this.#depth -= 1;
    } else if (kind === 0x02) this.#alias();
    else if (kind === 0x03 || kind === 0x04) {
      this.#skip("bn");
      this.#external();
    } else throw unknown("a core type in a type");
  }

  #alias(): void {
    if (this.byte() === 0) this.byte();
    const isOuter = this.byte() === 2;
    this.#skip(isOuter ? "tt" : "tn");
  }

  #external(): void {
    const kind = this.byte();
    if (kind === 0) this.byte();
    // A new resource has no number.
    if (kind !== 3 || this.byte() === 0) this.number();
  }
}
