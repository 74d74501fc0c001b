/** Owns a component's modules compiled, with what each takes up. Knows the binary format; knows no interface and no instance. */

import { setFlagsFromString } from "node:v8";
import { GuestError, withoutPrefix } from "../guest/module.js";
import { readComponent } from "./binary.js";
import type { Step } from "./steps.js";

type ErrorClass = abstract new (...parameters: never[]) => Error;

/** The part of the global that is used here: TypeScript declares it only together with the DOM. */
declare const WebAssembly: {
  compile(bytes: Uint8Array): Promise<object>;
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
  /** How many memories and tables it defines. */
  readonly memories: number;
  readonly tables: number;
}

/** Other bytes for a core module, and what they export in place of a start function. */
export interface PreparedModule {
  readonly bytes: Uint8Array;
  readonly start: string | undefined;
  /** What the memory that it defines may grow to; 0 where it defines none. */
  readonly memoryBytes: number;
  readonly memories: number;
  /** How many tables it defines. */
  readonly tables: number;
}

/** Of all core instances together, each counted with what its module defines. */
export interface ComponentLimits {
  readonly memoryBytes: number;
  readonly memories: number;
  readonly tables: number;
}

const UNLIMITED: ComponentLimits = { memoryBytes: Infinity, memories: Infinity, tables: Infinity };

/**
 * Compiles in V8's own threads: a large component would hold up whatever else this one does.
 * @param prepare makes other bytes of those of its core modules
 * @throws GuestError ERR_GUEST_FORMAT
 */
export async function compileComponent(
  bytes: Uint8Array,
  prepare: (modules: readonly Uint8Array[]) => readonly PreparedModule[] = unprepared,
  limits = UNLIMITED,
): Promise<CompiledComponent> {
  const binary = readComponent(bytes);
  const modules: CompiledModule[] = [];
  // One after the other: of several that are damaged, it is the first that is reported.
  for (const { bytes: prepared, ...taken } of prepare(binary.modules)) {
    const { start, memoryBytes, memories, tables } = taken;
    modules.push({ module: await compileModule(prepared), start, memoryBytes, memories, tables });
  }
  return { steps: binary.steps, modules, limits, isAsync: binary.isAsync };
}

function unprepared(modules: readonly Uint8Array[]): readonly PreparedModule[] {
  return modules.map((bytes) => ({ bytes, start: undefined, memoryBytes: 0, memories: 0, tables: 0 }));
}

/** Computed constants are part of WebAssembly 3; V8 has them on by default from 11.4 on, which is that of Node 22. */
const EXTENDED_CONSTANTS = "--experimental-wasm-extended-const";

async function compileModule(bytes: Uint8Array): Promise<object> {
  try {
    return await WebAssembly.compile(bytes);
  } catch (error) {
    const isExtended = /is not allowed in constant expressions/.test(String(error));
    if (!isExtended || !process.versions.node.startsWith("20.")) return failed(error);
  }
  setFlagsFromString(EXTENDED_CONSTANTS);
  return WebAssembly.compile(bytes).catch(failed);
}

function failed(error: unknown): never {
  if (error instanceof WebAssembly.CompileError || error instanceof RangeError)
    throw new GuestError("ERR_GUEST_FORMAT", `a module in the component: ${withoutPrefix(error)}`);
  throw error;
}
