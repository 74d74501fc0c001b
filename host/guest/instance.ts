/**
 * Owns a guest as a WebAssembly module: compiles it, finds out whether it can run here, instantiates it, calls it, and
 * reports how that ended. Knows {@link Preview1}; knows no descriptor and no command line.
 */

import { checkString } from "../backend/check.js";
import { GuestExit } from "./calls/process.js";
import type { LinearMemory } from "../wasi/poll-oneoff.js";
import { PREVIEW1, type Preview1 } from "./preview1.js";

interface ImportDescriptor {
  readonly module: string;
  readonly name: string;
  readonly kind: string;
}

type ErrorClass = abstract new (...parameters: never[]) => Error;

/** The part of the global that is used here: TypeScript declares it only together with the DOM. */
declare const WebAssembly: {
  Module: {
    new (bytes: Uint8Array): object;
    imports(module: object): ImportDescriptor[];
    exports(module: object): Omit<ImportDescriptor, "module">[];
  };
  Instance: new (module: object, imports: object) => { readonly exports: Record<string, unknown> };
  Exception: abstract new (...parameters: never[]) => object;
  CompileError: ErrorClass;
  RuntimeError: ErrorClass;
};

export type GuestErrorCode = "ERR_GUEST_FORMAT" | "ERR_GUEST_IMPORTS" | "ERR_GUEST_EXPORTS" | "ERR_GUEST_MEMORY";

/** A module that cannot be run here. */
export class GuestError extends Error {
  override name = "GuestError";
  /**
   * ERR_GUEST_FORMAT: no core WebAssembly module. ERR_GUEST_IMPORTS: it imports what is not served, see
   * {@link missing}. ERR_GUEST_EXPORTS: it lacks an export. ERR_GUEST_MEMORY: there is no memory as large as it wants.
   */
  readonly code: GuestErrorCode;
  /** "module.name" of each import that is not served. */
  readonly missing: readonly string[];

  constructor(code: GuestErrorCode, message: string, missing: readonly string[] = []) {
    checkString("code", code);
    checkString("message", message);
    super(message);
    this.code = code;
    this.missing = missing;
  }
}

/** A function of the guest on the stack of a trap. */
export interface GuestFrame {
  /** From the module's name section; "" where it has none for it. */
  readonly function: string;
  /** Its index in the module, imports counted. */
  readonly index: number;
  /** In the module's bytes. */
  readonly offset: number;
}

/** The guest trapped: an unreachable instruction, an access outside of its memory, a stack overflow, ... */
export class GuestTrap extends Error {
  override name = "GuestTrap";
  readonly code = "ERR_GUEST_TRAP";
  /** Innermost first; as many as `Error.stackTraceLimit` says. */
  readonly frames: readonly GuestFrame[];

  constructor(message: string, frames: readonly GuestFrame[], options: ErrorOptions) {
    checkString("message", message);
    super(message, options);
    this.frames = frames;
  }
}

/** An instance of a guest. It does not own its {@link Preview1}, which is to be closed after it. */
export class Guest {
  readonly #exports: Record<string, unknown>;
  #exit: GuestExit | undefined;

  /**
   * Compiles and instantiates.
   * @throws GuestError for a module that cannot be run, GuestTrap when its start function traps
   */
  constructor(bytes: Uint8Array, preview1: Preview1) {
    const module = compile(bytes);
    checkImports(module, preview1);
    checkExports(module);
    let exports: Record<string, unknown> = {};
    this.#exit = enter(() => {
      ({ exports } = new WebAssembly.Instance(module, { [PREVIEW1]: preview1.imports }));
    });
    this.#exports = exports;
    if (this.#exit === undefined) preview1.attach(memoryOf(exports));
  }

  /** What it has given proc_exit; undefined while it has not. No call may follow. */
  get exitCode(): number | undefined {
    return this.#exit?.code;
  }

  /**
   * Runs a command: calls `_start`, once, and returns when the guest has ended.
   * @returns what it gave proc_exit, or 0 when `_start` returned
   * @throws GuestTrap, GuestError when it is no command
   */
  start(): number {
    return this.#call("_start", "it is a library, not a command") ?? this.exitCode ?? 0;
  }

  /**
   * Makes a library ready: calls `_initialize`, once.
   * @throws GuestTrap, GuestError when it is a command
   */
  initialize(): void {
    this.#call("_initialize", "a guest that takes turns is built with --reactor");
  }

  /**
   * One turn of a library's loop.
   * @returns how many channels were ready; negative: an errno that the guest has written to its standard error. 0 once it has
   *   ended, see {@link exitCode}
   * @throws GuestTrap, GuestError when it has no turns
   */
  turn(timeoutNs: bigint): number {
    return this.#call("turn", NO_TURNS, timeoutNs) ?? 0;
  }

  /** How many channels and timers a library's loop has: at 0 there is nothing left to wait for. */
  pending(): number {
    return this.#call("pending", NO_TURNS) ?? 0;
  }

  /** Calls an export. @returns its result; undefined where it has none, or has ended the guest. */
  #call(name: string, otherwise: string, ...parameters: bigint[]): number | undefined {
    if (this.#exit !== undefined) return undefined;
    const call = this.#exports[name];
    if (typeof call !== "function")
      throw new GuestError("ERR_GUEST_EXPORTS", `it exports no function ${name}: ${otherwise}`);
    let result: unknown;
    this.#exit = enter(() => {
      result = call(...parameters);
    });
    return typeof result === "number" ? result : undefined;
  }
}

const NO_TURNS = "it was not built with wasyncore build";

/** Calls into a guest. @returns how it exited; undefined when the call returned. @throws GuestTrap */
function enter(call: () => void): GuestExit | undefined {
  try {
    call();
    return undefined;
  } catch (error) {
    if (error instanceof GuestExit) return error;
    throw guestFailure(error);
  }
}

/** What a call into a guest has thrown, as the guest's failure where it is one. */
function guestFailure(error: unknown): unknown {
  if (error instanceof WebAssembly.RuntimeError) return new GuestTrap(error.message, framesOf(error), { cause: error });
  if (error instanceof WebAssembly.Exception)
    return new GuestTrap("an exception that nobody caught", [], { cause: error });
  if (!(error instanceof RangeError)) return error;
  if (error.message.startsWith("WebAssembly.Instance()"))
    return new GuestError("ERR_GUEST_MEMORY", withoutPrefix(error));
  // Thrown by V8 for guests as for JavaScript.
  return error.message.startsWith("Maximum call stack")
    ? new GuestTrap("stack overflow", framesOf(error), { cause: error })
    : error;
}

/** "at name (wasm://wasm/4f1c:wasm-function[3]:0x9f)"; without a name there are no parentheses. */
const FRAME = /^\s*at (?:(.*) \()?wasm:\/\/[^\s]*?:wasm-function\[(\d+)\]:0x([0-9a-f]+)\)?$/;

function framesOf(error: Error): GuestFrame[] {
  const frames: GuestFrame[] = [];
  for (const line of (error.stack ?? "").split("\n")) {
    const match = FRAME.exec(line);
    if (match === null) continue;
    const [, name = "", index = "", offset = ""] = match;
    frames.push({ function: name, index: Number(index), offset: Number.parseInt(offset, 16) });
  }
  return frames;
}

/** The first four bytes of every module, and the next four of a component. */
const MAGIC = Buffer.from("\0asm", "latin1");
const COMPONENT = Buffer.from([0x0d, 0, 1, 0]);

function compile(bytes: Uint8Array): object {
  if (!MAGIC.equals(bytes.subarray(0, 4))) throw new GuestError("ERR_GUEST_FORMAT", "it is not WebAssembly");
  if (COMPONENT.equals(bytes.subarray(4, 8))) {
    throw new GuestError(
      "ERR_GUEST_FORMAT",
      "it is a component (WASI 0.2): a core module for WASI preview 1 is needed",
    );
  }
  try {
    return new WebAssembly.Module(bytes);
  } catch (error) {
    if (error instanceof WebAssembly.CompileError) throw new GuestError("ERR_GUEST_FORMAT", withoutPrefix(error));
    throw error;
  }
}

function checkImports(module: object, { imports }: Preview1): void {
  const served = (each: ImportDescriptor): boolean =>
    each.module === PREVIEW1 && each.kind === "function" && Object.hasOwn(imports, each.name);
  const missing = WebAssembly.Module.imports(module).filter((each) => !served(each));
  if (missing.length === 0) return;
  const names = missing.map((each) => `${each.module}.${each.name}`);
  const kinds = missing.map((each, index) =>
    each.kind === "function" ? names[index] : `${names[index]} (a ${each.kind})`,
  );
  throw new GuestError("ERR_GUEST_IMPORTS", `it imports what is not there: ${kinds.join(", ")}`, names);
}

function checkExports(module: object): void {
  const hasMemory = WebAssembly.Module.exports(module).some(({ name, kind }) => name === "memory" && kind === "memory");
  if (!hasMemory) throw new GuestError("ERR_GUEST_EXPORTS", "it exports no memory");
}

function memoryOf({ memory }: Record<string, unknown>): LinearMemory {
  const linear = memory as LinearMemory;
  if (linear.buffer instanceof ArrayBuffer) return linear;
  throw new GuestError("ERR_GUEST_EXPORTS", "its memory is shared: there are no threads here");
}

/** V8 names its own function before the message. */
function withoutPrefix({ message }: Error): string {
  return message.replace(/^WebAssembly\.\w+\(\): /, "");
}
