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

class TypeReader extends ByteReader {
  #depth = 0;

  many<T>(read: () => T): T[] {
    const found: T[] = [];
    for (let count = this.number(); count > 0; count--) found.push(read());
    return found;
  }

  type(): Element | undefined {
    const kind = this.byte();
    switch (kind) {
      case STREAM:
      case FUTURE: {
        const size = this.byte() === 0 ? 0 : this.#size();
        return { isFuture: kind === FUTURE, size, align: size === undefined || size === 0 ? 1 : size, type: undefined };
      }
      case 0x72:
        return this.#skip(() => this.#labelled());
      case 0x71:
        return this.#skip(() => {
          this.text();
          this.#optional();
          this.byte();
        });
      case 0x70:
      case 0x6b:
      case 0x69:
      case 0x68:
        return void this.number();
      case 0x67:
      case 0x63:
        this.number();
        return void this.number();
      case 0x6f:
        return this.#skip(() => this.number());
      case 0x6e:
      case 0x6d:
        return this.#skip(() => this.text());
      case 0x6a:
        this.#optional();
        return void this.#optional();
      case 0x3f:
        this.byte();
        return void this.#optional();
      case 0x40:
      case 0x43:
        this.#skip(() => this.#labelled());
        return void this.#result();
      case 0x41:
      case 0x42:
        return this.#skip(() => this.#declaration());
      default:
        // A number, a string: one byte.
        if (kind < 0x64 || kind > 0x7f) throw unknown(`a type ${kind}`);
        return undefined;
    }
  }

  /** Of what goes through a stream; undefined for what is no number. */
  #size(): number | undefined {
    const { at } = this;
    const type = this.number();
    // A type of its own has a number as well: from 64 on in two bytes, as they are signed.
    return this.at === at + 1 ? SIZES[type] : undefined;
  }

  #skip(read: () => unknown): undefined {
    for (let count = this.number(); count > 0; count--) read();
  }

  #labelled(): void {
    this.text();
    this.number();
  }

  #optional(): void {
    if (this.byte() !== 0) this.number();
  }

  #result(): void {
    if (this.byte() === 0) this.number();
    else this.byte();
  }

  /** One of an instance or of a component. */
  #declaration(): void {
    const kind = this.byte();
    switch (kind) {
      case 0x01:
        if (++this.#depth > DEPTH_MAX) throw unknown("types inside of types");
        this.type();
        this.#depth -= 1;
        return;
      case 0x02:
        return this.#alias();
      case 0x03:
      case 0x04:
        this.byte();
        this.text();
        return this.#external();
      default:
        throw unknown("a core type in a type");
    }
  }

  #alias(): void {
    if (this.byte() === 0) this.byte();
    const isOuter = this.byte() === 2;
    this.number();
    if (isOuter) this.number();
    else this.text();
  }

  #external(): void {
    const kind = this.byte();
    if (kind === 0 || (kind === 3 && this.byte() === 1)) {
      if (kind === 0) this.byte();
      else return;
    }
    this.number();
  }
}
