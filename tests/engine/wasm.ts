/** Owns what the tests look up in compiled modules themselves: imports, exports, size. Knows no engine. */

import { readFileSync } from "node:fs";

interface ImportDescriptor {
  readonly module: string;
  readonly name: string;
}

/** The part of the global that is used here: TypeScript declares it only together with the DOM. */
declare const WebAssembly: {
  Module: { new (bytes: Uint8Array): object; imports(module: object): ImportDescriptor[] };
  Instance: new (module: object, imports: object) => { readonly exports: Record<string, unknown> };
};

/** The bytes of a module in build/. */
export function readModule(name: string): Uint8Array {
  return readFileSync(new URL(`../../build/${name}`, import.meta.url));
}

/** "module.name" of everything a module imports. */
export function importsOf(bytes: Uint8Array): string[] {
  return WebAssembly.Module.imports(new WebAssembly.Module(bytes)).map(({ module, name }) => `${module}.${name}`);
}

/** The module with a memory that cannot grow beyond `pages`, compiled. */
export function withMemoryLimit(bytes: Uint8Array, pages: number): object {
  const MEMORY_SECTION = 5;
  // Every section: its number, its length, its content. Lengths below 128 are one byte; longer ones end at the first byte
  // below 128.
  let at = 8;
  while (at < bytes.length) {
    const id = bytes[at];
    let length = 0;
    let contentAt = at + 1;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[contentAt++] ?? 0;
      length |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    if (id === MEMORY_SECTION) {
      // One memory, without a maximum, of so many pages.
      const [count, flags, initial = 0] = bytes.subarray(contentAt, contentAt + length);
      if (length !== 3 || count !== 1 || flags !== 0 || pages >= 0x80) throw new Error("an unexpected memory section");
      const section = [MEMORY_SECTION, 4, 1, 1, initial, pages];
      const rest = bytes.subarray(contentAt + length);
      return new WebAssembly.Module(Uint8Array.from([...bytes.subarray(0, at), ...section, ...rest]));
    }
    at = contentAt + length;
  }
  throw new Error("the module has no memory");
}

/** The values of a module's exported globals, by name. */
export function globalsOf(bytes: Uint8Array): Map<string, number> {
  function abort(): never {
    throw new Error("the module stopped at an assertion");
  }
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { abort } });
  const globals = new Map<string, number>();
  for (const [name, value] of Object.entries(exports)) {
    if (typeof value === "object" && value !== null && "value" in value) globals.set(name, Number(value.value));
  }
  return globals;
}
