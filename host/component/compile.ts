/** Owns a component's modules compiled, with what each takes up. Knows the binary format; knows no interface and no instance. */

import { setFlagsFromString } from "node:v8";
import { GuestError, withoutPrefix } from "../guest/module.js";
import { readComponent } from "./binary.js";
import type { Step } from "./steps.js";

type ErrorClass = abstract new (...parameters: never[]) => Error;

/** The part of the global that is used here: TypeScript declares it only together with the DOM. */
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object;
  CompileError: ErrorClass;
};

/** A component that can be instantiated. It can be sent to a thread. */
export interface CompiledComponent {
  readonly steps: readonly Step[];
  readonly limits: ComponentLimits;
  /** Its core modules, and those of the components in it, by the indices in its steps. */
  readonly modules: readonly CompiledModule[];
  /** Does it take the asynchronous ABI, or interfaces of WASI 0.3? */
  readonly isAsync: boolean;
}

export interface CompiledModule {
  readonly module: object;
  /** An export that is called when the module is instantiated. */
  readonly start: string | undefined;
  readonly memoryBytes: number;
  readonly tables: number;
}

/** Other bytes for a core module, and what they export in place of a start function. */
export interface PreparedModule {
  readonly bytes: Uint8Array;
  readonly start: string | undefined;
  /** What the memory that it defines may grow to; 0 where it defines none. */
  readonly memoryBytes: number;
  /** How many tables it defines. */
  readonly tables: number;
}

/** Of all core instances together, each counted with what its module defines. */
export interface ComponentLimits {
  readonly memoryBytes: number;
  readonly tables: number;
}

const UNLIMITED: ComponentLimits = { memoryBytes: Infinity, tables: Infinity };

/**
 * @param prepare makes other bytes of those of its core modules
 * @throws GuestError ERR_GUEST_FORMAT
 */
export function compileComponent(
  bytes: Uint8Array,
  prepare: (modules: readonly Uint8Array[]) => readonly PreparedModule[] = unprepared,
  limits = UNLIMITED,
): CompiledComponent {
  const binary = readComponent(bytes);
  const modules = prepare(binary.modules).map(({ bytes: prepared, start, memoryBytes, tables }): CompiledModule => ({
    module: compileModule(prepared),
    start,
    memoryBytes,
    tables,
  }));
  return { steps: binary.steps, modules, limits, isAsync: binary.isAsync };
}

function unprepared(modules: readonly Uint8Array[]): readonly PreparedModule[] {
  return modules.map((bytes) => ({ bytes, start: undefined, memoryBytes: 0, tables: 0 }));
}

/** Computed constants are part of WebAssembly 3; V8 has them on by default from 11.4 on, which is that of Node 22. */
const EXTENDED_CONSTANTS = "--experimental-wasm-extended-const";

function compileModule(bytes: Uint8Array): object {
  try {
    return new WebAssembly.Module(bytes);
  } catch (error) {
    if (/is not allowed in constant expressions/.test(String(error)) && process.versions.node.startsWith("20.")) {
      setFlagsFromString(EXTENDED_CONSTANTS);
      return newModule(bytes);
    }
    return failed(error);
  }
}

function newModule(bytes: Uint8Array): object {
  try {
    return new WebAssembly.Module(bytes);
  } catch (error) {
    return failed(error);
  }
}

function failed(error: unknown): never {
  if (error instanceof WebAssembly.CompileError || error instanceof RangeError)
    throw new GuestError("ERR_GUEST_FORMAT", `a module in the component: ${withoutPrefix(error)}`);
  throw error;
}
