/**
 * Owns reading a component's bytes: what it imports, consists of and exports, as steps that an instance takes one after the other.
 * Knows the binary format; knows no interface and no instance.
 *
 * A component of one program is read, with the small components around its exports. What takes the asynchronous ABI, values, or
 * resources of the component's own is refused by what it is.
 */

import { GuestError, isComponent } from "../guest/module.js";
import { printable } from "../guest/printable.js";
import type { Encoding } from "./abi.js";

/** What an index is one of. */
export type Sort = "func" | "type" | "component" | "instance" | CoreSort;
export type CoreSort =
  "core func" | "core table" | "core memory" | "core global" | "core type" | "core module" | "core instance";

/** How a function crosses the boundary: indices of the core memory and functions that it uses. */
export interface CanonOptions {
  readonly encoding: Encoding;
  readonly memory: number | undefined;
  readonly realloc: number | undefined;
  readonly postReturn: number | undefined;
}

export interface Named {
  readonly name: string;
  readonly sort: Sort;
  readonly index: number;
}

/** A component as it is read. */
export interface ComponentBinary {
  readonly steps: readonly Step[];
  /** The core modules, and those of the components in it: a step has the index of its module. */
  readonly modules: readonly Uint8Array[];
}

/** Each step but the last two defines something with the next free index of its sort. */
export type Step =
  | { readonly kind: "module"; readonly module: number }
  | { readonly kind: "core-instance"; readonly module: number; readonly parameters: readonly Named[] }
  | { readonly kind: "core-exports"; readonly exports: readonly Named[] }
  | { readonly kind: "component"; readonly steps: readonly Step[] }
  | { readonly kind: "instance"; readonly component: number; readonly parameters: readonly Named[] }
  | { readonly kind: "exports"; readonly exports: readonly Named[] }
  | { readonly kind: "alias"; readonly sort: Sort; readonly instance: number; readonly name: string }
  | { readonly kind: "core-alias"; readonly sort: Sort; readonly instance: number; readonly name: string }
  | { readonly kind: "outer"; readonly sort: Sort; readonly levels: number; readonly index: number }
  | { readonly kind: "types"; readonly count: number }
  | { readonly kind: "lift"; readonly func: number; readonly options: CanonOptions }
  | { readonly kind: "lower"; readonly func: number; readonly options: CanonOptions }
  | { readonly kind: "drop"; readonly type: number }
  | { readonly kind: "import"; readonly name: string; readonly sort: Sort }
  | { readonly kind: "export"; readonly exported: Named };

const HEADER_BYTES = 8;
const DEPTH_MAX = 16;

/** @throws GuestError ERR_GUEST_FORMAT */
export function readComponent(bytes: Uint8Array): ComponentBinary {
  if (!isComponent(bytes)) throw new GuestError("ERR_GUEST_FORMAT", "it is no component");
  const modules: Uint8Array[] = [];
  return { steps: new Reader(bytes, HEADER_BYTES, bytes.length, 0, modules).component(), modules };
}

const SORTS: readonly (Sort | undefined)[] = [undefined, "func", undefined, "type", "component", "instance"];
const CORE_SORTS: Readonly<Record<number, CoreSort>> = {
  0: "core func",
  1: "core table",
  2: "core memory",
  3: "core global",
  0x10: "core type",
  0x11: "core module",
  0x12: "core instance",
};
const EXTERN_SORTS: readonly (Sort | undefined)[] = ["core module", "func", undefined, "type", "component", "instance"];
const ENCODINGS: readonly Encoding[] = ["utf8", "utf16", "latin1+utf16"];
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

class Reader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  readonly #depth: number;
  readonly #modules: Uint8Array[];
  #at: number;

  constructor(bytes: Uint8Array, from: number, end: number, depth: number, modules: Uint8Array[]) {
    this.#bytes = bytes;
    this.#at = from;
    this.#end = end;
    this.#depth = depth;
    this.#modules = modules;
    if (depth > DEPTH_MAX) throw unknown("components inside of components");
  }

  component(): Step[] {
    const steps: Step[] = [];
    while (this.#at < this.#end) {
      const id = this.#byte();
      const length = this.#number();
      const end = this.#at + length;
      if (end > this.#end) throw ended();
      const section = new Reader(this.#bytes, this.#at, end, this.#depth, this.#modules);
      section.#section(id, steps);
      this.#at = end;
    }
    return steps;
  }

  #section(id: number, steps: Step[]): void {
    switch (id) {
      case 0:
      case 3:
        // Custom sections, and types of core modules, define nothing that an instance has.
        return;
      case 1:
        steps.push({ kind: "module", module: this.#modules.length });
        return void this.#modules.push(this.#bytes.subarray(this.#at, this.#end));
      case 2:
        return this.#each(steps, () => this.#coreInstance());
      case 4:
        return this.#nested(steps);
      case 5:
        return this.#each(steps, () => this.#instance());
      case 6:
        return this.#each(steps, () => this.#alias());
      case 7:
        return void steps.push({ kind: "types", count: this.#typeCount() });
      case 8:
        return this.#each(steps, () => this.#canon());
      case 10:
        return this.#each(steps, () => this.#import());
      case 11:
        return this.#each(steps, () => this.#export());
      default:
        throw unknown(id === 9 ? "a start function" : `a section ${id}`);
    }
  }

  /** Types are not read; each has a byte at least. */
  #typeCount(): number {
    const count = this.#number();
    if (count > this.#end - this.#at) throw ended();
    return count;
  }

  #nested(steps: Step[]): void {
    const from = this.#at + HEADER_BYTES;
    if (!isComponent(this.#bytes.subarray(this.#at, from))) throw unknown("a component of another version in it");
    const inner = new Reader(this.#bytes, from, this.#end, this.#depth + 1, this.#modules);
    steps.push({ kind: "component", steps: inner.component() });
  }

  #each(steps: Step[], read: () => Step): void {
    for (let count = this.#number(); count > 0; count--) steps.push(read());
  }

  #coreInstance(): Step {
    if (this.#isFirst("an instance of a module")) {
      const module = this.#number();
      return { kind: "core-instance", module, parameters: this.#many(() => this.#coreParameter()) };
    }
    return { kind: "core-exports", exports: this.#many(() => this.#named(() => this.#coreSort())) };
  }

  #coreParameter(): Named {
    const name = this.#text();
    return { name, sort: this.#coreSort(), index: this.#number() };
  }

  #instance(): Step {
    if (this.#isFirst("an instance of a component")) {
      const component = this.#number();
      return { kind: "instance", component, parameters: this.#many(() => this.#named(() => this.#sort())) };
    }
    return { kind: "exports", exports: this.#many(() => this.#externNamed()) };
  }

  #externNamed(): Named {
    const name = this.#externName();
    return { name, sort: this.#sort(), index: this.#number() };
  }

  #alias(): Step {
    const sort = this.#sort();
    const target = this.#byte();
    if (target === 2) return { kind: "outer", sort, levels: this.#number(), index: this.#number() };
    if (target > 2) throw unknown("an alias");
    return { kind: target === 0 ? "alias" : "core-alias", sort, instance: this.#number(), name: this.#text() };
  }

  #canon(): Step {
    const kind = this.#byte();
    switch (kind) {
      case 0: {
        this.#byte();
        const func = this.#number();
        const options = this.#options();
        this.#number();
        return { kind: "lift", func, options };
      }
      case 1: {
        this.#byte();
        const func = this.#number();
        return { kind: "lower", func, options: this.#options() };
      }
      case 3:
        return { kind: "drop", type: this.#number() };
      case 2:
      case 4:
        throw unknown("resources of its own");
      default:
        throw asynchronous();
    }
  }

  #options(): CanonOptions {
    let encoding: Encoding = "utf8";
    let memory: number | undefined;
    let realloc: number | undefined;
    let postReturn: number | undefined;
    for (let count = this.#number(); count > 0; count--) {
      const option = this.#byte();
      if (option <= 2) encoding = ENCODINGS[option] ?? "utf8";
      else if (option === 3) memory = this.#number();
      else if (option === 4) realloc = this.#number();
      else if (option === 5) postReturn = this.#number();
      else throw asynchronous();
    }
    return { encoding, memory, realloc, postReturn };
  }

  #import(): Step {
    const name = this.#externName();
    return { kind: "import", name, sort: this.#externType() };
  }

  #export(): Step {
    const exported = this.#externNamed();
    if (this.#byte() === 1) this.#externType();
    return { kind: "export", exported };
  }

  #externName(): string {
    const kind = this.#byte();
    if (kind > 1) throw unknown("a name");
    return this.#text();
  }

  #externType(): Sort {
    const kind = this.#byte();
    const sort = EXTERN_SORTS[kind];
    if (sort === undefined) throw unknown("a value");
    if (sort === "core module" || (sort === "type" && this.#byte() === 1)) {
      if (sort === "type") return sort;
      this.#byte();
    }
    this.#number();
    return sort;
  }

  #sort(): Sort {
    const sort = this.#byte();
    if (sort === 0) return this.#coreSort();
    return SORTS[sort] ?? this.#fail("a value");
  }

  #coreSort(): CoreSort {
    return CORE_SORTS[this.#byte()] ?? this.#fail("a kind of definition");
  }

  #named(sort: () => Sort): Named {
    const name = this.#text();
    return { name, sort: sort(), index: this.#number() };
  }

  #fail(what: string): never {
    throw unknown(what);
  }

  /** The first of two ways. */
  #isFirst(what: string): boolean {
    const kind = this.#byte();
    if (kind > 1) throw unknown(what);
    return kind === 0;
  }

  #many<T>(read: () => T): T[] {
    const found: T[] = [];
    for (let count = this.#number(); count > 0; count--) found.push(read());
    return found;
  }

  #byte(): number {
    const value = this.#at < this.#end ? this.#bytes[this.#at] : undefined;
    if (value === undefined) throw ended();
    this.#at += 1;
    return value;
  }

  #number(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.#byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      if (scale > 2 ** 28) throw ended();
    }
  }

  #text(): string {
    const length = this.#number();
    const from = this.#at;
    if (from + length > this.#end) throw ended();
    this.#at += length;
    try {
      return utf8.decode(this.#bytes.subarray(from, this.#at));
    } catch {
      throw unknown("a name that is no text");
    }
  }
}

function unknown(what: string): GuestError {
  return new GuestError("ERR_GUEST_FORMAT", `the component has what is not known here: ${printable(what)}`);
}

function ended(): GuestError {
  return new GuestError("ERR_GUEST_FORMAT", "the component ends in the middle, or is damaged");
}

/** @internal */
export function asynchronous(): GuestError {
  return new GuestError(
    "ERR_GUEST_FORMAT",
    "it is a component for WASI 0.3, or uses its asynchronous calls: components for WASI 0.2 are run here",
  );
}
