/**
 * Owns reading a component's bytes: what it imports, consists of and exports, as steps. Knows the binary format; knows no
 * interface and no instance.
 *
 * A component of one program is read, with the small components around its exports. What takes values, threads, or resources of
 * the component's own is refused by what it is.
 */

import { GuestError, isComponent } from "../guest/module.js";
import type { Encoding } from "./call-memory.js";
import { ByteReader, ended, tooLarge, unknown } from "./bytes.js";
import { canonOf } from "./canonical.js";
import type { CanonOptions, CoreSort, Named, Sort, Step } from "./steps.js";

/** What a component consists of, in the order of its bytes. */
export interface ComponentBinary {
  readonly steps: readonly Step[];
  /** The core modules, and those of the components in it: a step has the index of its module. */
  readonly modules: readonly Uint8Array[];
  /** Does it take the asynchronous ABI, or interfaces of WASI 0.3? */
  readonly isAsync: boolean;
}

const HEADER_BYTES = 8;
const DEPTH_MAX = 16;

/** @throws GuestError ERR_GUEST_FORMAT */
export function readComponent(bytes: Uint8Array): ComponentBinary {
  if (!isComponent(bytes)) throw new GuestError("ERR_GUEST_FORMAT", "it is no component");
  const found = new Found();
  const steps = new Reader(bytes, HEADER_BYTES, bytes.length, 0, found).component();
  return { steps, modules: found.modules, isAsync: found.isAsync };
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
/** A 64-bit integer of core modules. */
const I64 = 0x7e;
const NO_OPTIONS: CanonOptions = {
  encoding: "utf8",
  memory: undefined,
  realloc: undefined,
  postReturn: undefined,
  isAsync: false,
  callback: undefined,
};
const ENCODINGS: readonly Encoding[] = ["utf8", "utf16", "latin1+utf16"];

/** What is read becomes values on the heap of a plugin's thread, all at once: many times what they are as bytes. */
const DEFINITIONS_MAX = 100_000;
const NAMES_LENGTH_MAX = 4 * 2 ** 20;
/** Each that is compiled takes a memory mapping of the process, which has some 65,000 for everything in it. */
const MODULES_MAX = 200;

/** What all parts of a component add to. */
class Found {
  readonly modules: Uint8Array[] = [];
  isAsync = false;
  #definitions = 0;
  #namesLength = 0;

  /** Of so many more definitions, or parts of one. */
  count(definitions: number): void {
    this.#definitions += definitions;
    if (this.#definitions > DEFINITIONS_MAX) throw tooLarge(`more than ${DEFINITIONS_MAX} definitions in its bytes`);
  }

  addModule(bytes: Uint8Array): void {
    if (this.modules.push(bytes) > MODULES_MAX) throw tooLarge(`more than ${MODULES_MAX} core modules`);
  }

  countName(length: number): void {
    this.#namesLength += length;
    if (this.#namesLength > NAMES_LENGTH_MAX) throw tooLarge(`names of more than ${NAMES_LENGTH_MAX} characters`);
  }
}

class Reader extends ByteReader {
  readonly #depth: number;
  readonly #found: Found;

  constructor(bytes: Uint8Array, from: number, end: number, depth: number, found: Found) {
    super(bytes, from, end);
    this.#depth = depth;
    this.#found = found;
    if (depth > DEPTH_MAX) throw unknown("components inside of components");
  }

  override text(): string {
    const text = super.text();
    this.#found.countName(text.length);
    return text;
  }

  component(): Step[] {
    const steps: Step[] = [];
    while (this.at < this.end) {
      this.#found.count(1);
      const id = this.byte();
      const length = this.number();
      const end = this.at + length;
      if (end > this.end) throw ended();
      const section = new Reader(this.bytes, this.at, end, this.#depth, this.#found);
      section.#section(id, steps);
      this.at = end;
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
        steps.push({ kind: "module", module: this.#found.modules.length });
        return this.#found.addModule(this.bytes.subarray(this.at, this.end));
      case 2:
        return void this.#many(() => this.#coreInstance(), steps);
      case 4:
        return this.#nested(steps);
      case 5:
        return void this.#many(() => this.#instance(), steps);
      case 6:
        return void this.#many(() => this.#alias(), steps);
      case 7: {
        const section = this.bytes.slice(this.at, this.end);
        return void steps.push({ kind: "types", count: this.#typeCount(), section });
      }
      case 8:
        return void this.#many(() => this.#canon(), steps);
      case 10:
        return void this.#many(() => this.#import(), steps);
      case 11:
        return void this.#many(() => this.#export(), steps);
      default:
        throw unknown(id === 9 ? "a start function" : `a section ${id}`);
    }
  }

  /** Types are not read; each has a byte at least. */
  #typeCount(): number {
    const count = this.number();
    if (count > this.end - this.at) throw ended();
    this.#found.count(count);
    return count;
  }

  #nested(steps: Step[]): void {
    const from = this.at + HEADER_BYTES;
    if (!isComponent(this.bytes.subarray(this.at, from))) throw unknown("a component of another version in it");
    const inner = new Reader(this.bytes, from, this.end, this.#depth + 1, this.#found);
    steps.push({ kind: "component", steps: inner.component() });
  }

  #coreInstance(): Step {
    if (this.#isFirst("an instance of a module")) {
      const module = this.number();
      return {
        kind: "core-instance",
        module,
        parameters: this.#many(() => this.#named(this.text(), this.#coreSort())),
      };
    }
    return { kind: "core-exports", exports: this.#many(() => this.#named(this.text(), this.#coreSort())) };
  }

  #instance(): Step {
    if (this.#isFirst("an instance of a component")) {
      const component = this.number();
      return { kind: "instance", component, parameters: this.#many(() => this.#named(this.text(), this.#sort())) };
    }
    return { kind: "exports", exports: this.#many(() => this.#named(this.#externName(), this.#sort())) };
  }

  #alias(): Step {
    const sort = this.#sort();
    const target = this.byte();
    if (target === 2) return { kind: "outer", sort, levels: this.number(), index: this.number() };
    if (target > 2) throw unknown("an alias");
    return { kind: target === 0 ? "alias" : "core-alias", sort, instance: this.number(), name: this.text() };
  }

  #canon(): Step {
    const kind = this.byte();
    switch (kind) {
      case 0: {
        this.byte();
        const func = this.number();
        const options = this.#options();
        this.number();
        return { kind: "lift", func, options };
      }
      case 1: {
        this.byte();
        const func = this.number();
        return { kind: "lower", func, options: this.#options() };
      }
      case 3:
        return { kind: "drop", type: this.number() };
      case 2:
      case 4:
        throw unknown("resources of its own");
      default:
        return this.#builtIn(kind);
    }
  }

  #builtIn(kind: number): Step {
    const { name, has } = canonOf(kind);
    this.#found.isAsync = true;
    let type: number | undefined;
    let options = NO_OPTIONS;
    let slot = 0;
    let isWide = false;
    if (has === "type" || has === "type options" || has === "type async") type = this.number();
    if (has === "result options") {
      if (this.byte() === 0) this.number();
      else this.byte();
    }
    if (has === "slot") {
      isWide = this.byte() === I64;
      slot = this.number();
      if (slot > 1) throw unknown(`${name} of ${slot}`);
    }
    if (has === "async" || has === "type async") options = { ...NO_OPTIONS, isAsync: this.byte() === 1 };
    if (has === "cancel" || has === "cancel memory") this.byte();
    if (has === "cancel memory") options = { ...NO_OPTIONS, memory: this.number() };
    if (has === "type options" || has === "result options") options = this.#options();
    return { kind: "canon", name, type, options, slot, isWide };
  }

  #options(): CanonOptions {
    let encoding: Encoding = "utf8";
    let memory: number | undefined;
    let realloc: number | undefined;
    let postReturn: number | undefined;
    let callback: number | undefined;
    let isAsync = false;
    for (let count = this.number(); count > 0; count--) {
      const option = this.byte();
      if (option <= 2) encoding = ENCODINGS[option] ?? "utf8";
      else if (option === 3) memory = this.number();
      else if (option === 4) realloc = this.number();
      else if (option === 5) postReturn = this.number();
      else if (option === 6) this.#found.isAsync = isAsync = true;
      else if (option === 7) callback = this.number();
      else throw unknown(`option ${option} of a function`);
    }
    return { encoding, memory, realloc, postReturn, isAsync, callback };
  }

  #import(): Step {
    const name = this.#externName();
    if (isOfWasi03(name)) this.#found.isAsync = true;
    return { kind: "import", name, sort: this.#externType() };
  }

  #export(): Step {
    const exported = this.#named(this.#externName(), this.#sort());
    if (this.byte() === 1) this.#externType();
    return { kind: "export", exported };
  }

  #externName(): string {
    const kind = this.byte();
    if (kind > 1) throw unknown("a name");
    return this.text();
  }

  #externType(): Sort {
    const kind = this.byte();
    const sort = EXTERN_SORTS[kind];
    if (sort === undefined) throw unknown("a value");
    if (sort === "core module" || (sort === "type" && this.byte() === 1)) {
      if (sort === "type") return sort;
      this.byte();
    }
    this.number();
    return sort;
  }

  #sort(): Sort {
    const sort = this.byte();
    if (sort === 0) return this.#coreSort();
    return SORTS[sort] ?? refuse("a value");
  }

  #coreSort(): CoreSort {
    return CORE_SORTS[this.byte()] ?? refuse("a kind of definition");
  }

  #named(name: string, sort: Sort): Named {
    return { name, sort, index: this.number() };
  }

  /** The first of two ways. */
  #isFirst(what: string): boolean {
    const kind = this.byte();
    if (kind > 1) throw unknown(what);
    return kind === 0;
  }

  /** A list, whose length comes first. @param found what it is added to */
  #many<T>(read: () => T, found: T[] = []): T[] {
    for (let count = this.number(); count > 0; count--) {
      this.#found.count(1);
      found.push(read());
    }
    return found;
  }
}

function refuse(what: string): never {
  throw unknown(what);
}

/** Is it an interface of WASI 0.3? */
function isOfWasi03(name: string): boolean {
  return /^wasi:[^@]*@0\.3\./.test(name);
}
