/**
 * Owns an instance of a plugin's module: instantiates what was compiled before, calls it, and says how that ended. Knows the
 * calls of preview 1 as functions; knows no policy and no thread.
 */

import { GuestExit } from "../guest/calls/process.js";
import { GuestError, type GuestFrame, GuestTrap } from "../guest/run.js";
import { PREVIEW1, type Preview1 } from "../guest/preview1.js";

type ErrorClass = abstract new (...parameters: never[]) => Error;

/** The part of the global that is used here: TypeScript declares it only together with the DOM. */
declare const WebAssembly: {
  Instance: new (module: object, imports: object) => { readonly exports: Record<string, unknown> };
  Exception: abstract new (...parameters: never[]) => object;
  RuntimeError: ErrorClass;
  LinkError: ErrorClass;
};

type Memory = Parameters<Preview1["attach"]>[0];

/** Functions to import, or to call, by their names. */
export type Functions = Readonly<Record<string, unknown>>;

export interface InstanceOptions {
  /** Export with the start function, see `Prepared`. */
  readonly start: string | undefined;
  /** In place of the functions of {@link Preview1}, by the same names. */
  readonly imports?: Functions | undefined;
  /** Is given the exports before anything is called. */
  readonly onInstance?: ((exports: Functions) => void) | undefined;
}

export class Instance {
  readonly #exports: Functions;
  readonly #memory: Memory;
  readonly #start: string | undefined;
  #exit: GuestExit | undefined;

  /** @throws GuestError for a module that cannot be run here */
  constructor(module: object, preview1: Preview1, options: InstanceOptions) {
    this.#exports = instantiate(module, options.imports ?? preview1.imports);
    const { memory } = this.#exports;
    if (!isMemory(memory)) throw new GuestError("ERR_GUEST_EXPORTS", "it exports no memory that is its own");
    this.#memory = memory;
    this.#start = options.start;
    options.onInstance?.(this.#exports);
    preview1.attach(memory);
  }

  /** What it has given proc_exit; undefined while it has not. No call may follow. */
  get exitCode(): number | undefined {
    return this.#exit?.code;
  }

  get memoryBytes(): number {
    return this.#memory.buffer.byteLength;
  }

  has(name: string): boolean {
    return typeof this.#exports[name] === "function";
  }

  /** An export, for a caller that calls it in a way of its own, and gives what that throws to {@link ended}. */
  get(name: string): unknown {
    return this.#exports[name];
  }

  /** Runs the start function, where there is one. @throws GuestTrap */
  begin(): void {
    if (this.#start !== undefined) this.call(this.#start);
  }

  /** Calls an export. @returns its result; undefined where it has none, or has ended the guest. @throws GuestTrap, GuestError */
  call(name: string, ...parameters: bigint[]): number | undefined {
    if (this.#exit !== undefined) return undefined;
    const call = this.#exports[name];
    if (typeof call !== "function") throw new GuestError("ERR_GUEST_EXPORTS", `it exports no function ${name}`);
    try {
      const result: unknown = call(...parameters);
      return typeof result === "number" ? result : undefined;
    } catch (error) {
      this.ended(error);
      return undefined;
    }
  }

  /** A call has thrown. @throws GuestTrap, or the error itself where it is none of the guest's, unless the guest has exited */
  ended(error: unknown): void {
    if (!(error instanceof GuestExit)) throw guestFailure(error);
    this.#exit = error;
  }

  /** See `driveTurns`. */
  turn(timeoutNs: bigint): number {
    return this.call("turn", timeoutNs) ?? 0;
  }

  /** See `driveTurns`. */
  pending(): number {
    return this.call("pending") ?? 0;
  }
}

function instantiate(module: object, imports: Functions): Functions {
  try {
    return new WebAssembly.Instance(module, { [PREVIEW1]: imports }).exports;
  } catch (error) {
    if (error instanceof WebAssembly.LinkError || error instanceof TypeError)
      throw new GuestError("ERR_GUEST_IMPORTS", withoutPrefix(error));
    if (error instanceof RangeError) throw new GuestError("ERR_GUEST_MEMORY", withoutPrefix(error));
    throw guestFailure(error);
  }
}

function isMemory(value: unknown): value is Memory {
  return (value as Memory | undefined)?.buffer instanceof ArrayBuffer;
}

/** What a call into a guest has thrown, as the guest's failure. */
function guestFailure(error: unknown): Error {
  if (error instanceof WebAssembly.Exception)
    return new GuestTrap("an exception that nobody caught", [], { cause: error });
  if (error instanceof RangeError && error.message.startsWith("Maximum call stack"))
    return new GuestTrap("stack overflow", framesOf(error), { cause: error });
  if (error instanceof Error) return new GuestTrap(error.message, framesOf(error), { cause: error });
  return new GuestTrap("a value that is no error was thrown", [], { cause: error });
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

/** V8 names its own function before the message. */
function withoutPrefix({ message }: Error): string {
  return message.replace(/^WebAssembly\.\w+\(\):? ?/, "");
}
