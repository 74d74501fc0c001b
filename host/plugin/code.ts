/**
 * Owns the modules of plugins: reads, prepares and compiles them, each once for the same bytes and limits. Knows the pass over
 * the binary; knows no plugin.
 */

import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import type { CompiledComponent } from "../component/index.js";
import { ModuleBinary } from "../guest/binary.js";
import { GuestError, type GuestFrame, GuestTrap } from "../guest/run.js";
import { isComponent, PREVIEW1, withoutPrefix } from "../guest/module.js";
import { signatureFault } from "../guest/signatures.js";
import { originalOffset, type Prepared, prepareModule, type PrepareOptions } from "./metering/prepare.js";
import { mappingsOf } from "./mappings.js";
import { shareMemory } from "./metering/shares.js";
import type { Policy } from "./policy/types.js";
import { limitOf } from "./trap-memory.js";

/** The part of the global that is used here: TypeScript declares it only together with the DOM. */
declare const WebAssembly: {
  Module: { exports(module: object): { readonly name: string; readonly kind: string }[] };
  compile(bytes: Uint8Array): Promise<object>;
};

/** A module as `PluginHost.start` takes it: the path of a file, its bytes, or what {@link compilePlugin} has returned. */
export type PluginModule = string | URL | Uint8Array | PluginCode;

/** Host memory of an entry of a table. */
const TABLE_ENTRY_BYTES = 16;

/** A plugin's module, read and, for each set of limits that it was started with, compiled. */
export class PluginCode {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly #compiled = new Map<string, Promise<CompiledCode>>();

  /** @param name what the guest gets as its first argument */
  constructor(bytes: Uint8Array, name: string) {
    this.bytes = bytes;
    this.name = name;
  }

  /** @internal */
  compile({ run, limits: { maxMemoryBytes } }: Pick<Policy, "run" | "limits">): Promise<CompiledCode> {
    const maxTableEntries = Math.floor(maxMemoryBytes / TABLE_ENTRY_BYTES);
    const options: PrepareOptions = { metered: run === "shared", maxMemoryBytes, maxTableEntries };
    const key = `${options.metered} ${maxMemoryBytes}`;
    let compiled = this.#compiled.get(key);
    if (compiled === undefined) {
      compiled = compile(this.bytes, options);
      // One that failed is tried again by the next start.
      compiled.catch(() => this.#compiled.delete(key));
      this.#compiled.set(key, compiled);
    }
    return compiled;
  }
}

/** @internal */
export interface CompiledCode {
  /** A component has several modules, and no {@link module} that is its own. */
  readonly component?: CompiledComponent | undefined;
  readonly module: object;
  readonly prepared: Prepared;
  /** Memory mappings that it has in addition to those of any plugin. */
  readonly mappings: number;
  /** What the policy lets its memory grow to; undefined where its memory stays below that by itself. */
  readonly memoryLimit: number | undefined;
  /** Can it take turns? */
  readonly isReactor: boolean;
  /** The trap with positions in the module's own bytes, and without the function that was added. */
  locate(trap: GuestTrap): GuestTrap;
}

async function compile(bytes: Uint8Array, options: PrepareOptions): Promise<CompiledCode> {
  if (isComponent(bytes)) return await compileParts(bytes, options);
  const prepared = prepareModule(bytes, options);
  let module: object;
  try {
    module = await WebAssembly.compile(prepared.bytes);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw new GuestError("ERR_GUEST_FORMAT", withoutPrefix(error));
  }
  checkSignatures(bytes);
  const names = new Set(WebAssembly.Module.exports(module).map(({ name }) => name));
  if (!names.has("memory")) throw new GuestError("ERR_GUEST_EXPORTS", "it exports no memory");
  const isReactor = names.has("turn") && names.has("pending") && names.has("_initialize");
  if (!isReactor && !names.has("_start"))
    throw new GuestError(
      "ERR_GUEST_EXPORTS",
      "it exports no _start, and no turn: it is neither a command nor a reactor",
    );
  const place = (frame: GuestFrame): GuestFrame => ({ ...frame, offset: originalOffset(bytes, options, frame.offset) });
  const locate = (trap: GuestTrap): GuestTrap => {
    const frames = trap.frames.filter(({ index }) => index !== prepared.check);
    return new GuestTrap(trap.message, frames.map(place), { cause: trap.cause });
  };
  const memoryLimit = limitOf(options.maxMemoryBytes, [prepared.memoryBytes]);
  // The bytes are in the module now.
  const mappings = mappingsOf(1, prepared.memories);
  return { module, mappings, prepared: { ...prepared, bytes: new Uint8Array(0) }, memoryLimit, isReactor, locate };
}

/** How many tables the modules of a component may define, in each of their instances. The limit of entries is divided among them. */
const COMPONENT_TABLES_MAX = 16;
/** The same of memories: each has mappings, and some GiB of addresses, however small it is. */
const COMPONENT_MEMORIES_MAX = 16;

/** Of a component: all its memories together are held to the limit. It runs in a thread of its own, and is not metered. */
async function compileParts(bytes: Uint8Array, options: PrepareOptions): Promise<CompiledCode> {
  const { compileComponent } = await import("../component/index.js");
  const { maxMemoryBytes } = options;
  const maxTableEntries = Math.floor(options.maxTableEntries / COMPONENT_TABLES_MAX);
  const prepare = (modules: readonly Uint8Array[]): readonly Prepared[] => {
    const shares = shareMemory(modules, maxMemoryBytes);
    return modules.map((module, index) =>
      prepareModule(module, { metered: false, maxMemoryBytes: shares[index] ?? 0, maxTableEntries }),
    );
  };
  const limits = { memoryBytes: maxMemoryBytes, memories: COMPONENT_MEMORIES_MAX, tables: COMPONENT_TABLES_MAX };
  const component = await compileComponent(bytes, prepare, limits);
  const none = {
    fuel: undefined,
    refill: undefined,
    start: undefined,
    check: -1,
    memoryBytes: 0,
    memories: 0,
    tables: 0,
  };
  return {
    component,
    module: {},
    mappings: mappingsOf(component.modules.length, COMPONENT_MEMORIES_MAX),
    prepared: { ...none, bytes: new Uint8Array(0) },
    memoryLimit: limitOf(
      maxMemoryBytes,
      component.modules.map(({ memoryBytes }) => memoryBytes),
    ),
    isReactor: false,
    locate: (trap) => trap,
  };
}

/** @throws GuestError where a function that is imported, or called, has another type */
function checkSignatures(bytes: Uint8Array): void {
  const binary = new ModuleBinary(bytes);
  for (const { module, name, signature } of binary.imports) {
    const fault = module === PREVIEW1 ? signatureFault(name, signature) : undefined;
    if (fault !== undefined)
      throw new GuestError("ERR_GUEST_IMPORTS", `it imports a function with another signature: ${fault}`);
  }
  for (const [name, signature] of Object.entries(EXPORTS)) {
    const found = binary.exported(name) ?? signature;
    if (found !== signature)
      throw new GuestError(
        "ERR_GUEST_EXPORTS",
        `it exports ${name} with another signature: ${signature}, not ${found}`,
      );
  }
}

const EXPORTS = {
  _start: "() -> ()",
  _initialize: "() -> ()",
  turn: "(i64) -> i32",
  pending: "() -> i32",
} as const;

const known = new Map<string, WeakRef<PluginCode>>();

/**
 * Reads a module, for `PluginHost.start` or `replace`; the same bytes are compiled once, however often they are started.
 * @param module the path of a file, or bytes, which must not change afterwards
 * @throws what reading the file throws
 *
 * ```ts
 * import { compilePlugin, PluginHost } from "wasyncore/plugin";
 *
 * await using host = new PluginHost();
 * const code = await compilePlugin("./echo.wasm");
 * for (let index = 0; index < 100; index++) await host.start(code, { name: `echo-${index}`, run: "shared" });
 * ```
 */
export async function compilePlugin(module: PluginModule): Promise<PluginCode> {
  if (module instanceof PluginCode) return module;
  if (!(module instanceof Uint8Array) && typeof module !== "string" && !(module instanceof URL)) {
    const message = `"module" must be a path, a Uint8Array or a PluginCode`;
    throw Object.assign(new TypeError(message), { code: "ERR_INVALID_ARG_TYPE" });
  }
  const bytes = module instanceof Uint8Array ? module : await readFile(module);
  const name = module instanceof Uint8Array ? "plugin.wasm" : basename(String(module));
  const hash = `${createHash("sha256").update(bytes).digest("hex")} ${name}`;
  const before = known.get(hash)?.deref();
  if (before !== undefined) return before;
  const made = new PluginCode(bytes, name);
  known.set(hash, new WeakRef(made));
  return made;
}
