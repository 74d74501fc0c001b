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
