/**
 * Owns an instance of a plugin's module: instantiates what was compiled before, calls it, and says how that ended. Knows the
 * calls of preview 1 as functions; knows no policy and no thread.
 */

import { exitOf, type GuestExit } from "../guest/exit.js";
import { guestFailure, GuestTrap } from "../guest/instance.js";
import { GuestError, PREVIEW1, withoutPrefix } from "../guest/module.js";
import type { Preview1 } from "../guest/preview1.js";
import { printable } from "../backend/printable.js";

type ErrorClass = abstract new (...parameters: never[]) => Error;

/** The part of the global that is used here: TypeScript declares it only together with the DOM. */
declare const WebAssembly: {
  Instance: new (module: object, imports: object) => { readonly exports: Record<string, unknown> };
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
  readonly #preview1: Preview1;
  readonly #memory: Memory;
  readonly #start: string | undefined;
  #exit: GuestExit | undefined;

  /** @throws GuestError for a module that cannot be run here */
  constructor(module: object, preview1: Preview1, options: InstanceOptions) {
    this.#exports = instantiate(module, options.imports ?? preview1.imports);
    const { memory } = this.#exports;
    if (!isMemory(memory)) throw new GuestError("ERR_GUEST_EXPORTS", "it exports no memory that is its own");
    this.#memory = memory;
    this.#preview1 = preview1;
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
      // Where a trap can be caught, the guest may have gone on, without anything that it had.
      this.#exit = this.#preview1.exit;
      return this.#exit === undefined && typeof result === "number" ? result : undefined;
    } catch (error) {
      this.ended(error);
      return undefined;
    }
  }

  /** A call has thrown. @throws GuestTrap, or the error itself where it is none of the guest's, unless the guest has exited */
  ended(error: unknown): void {
    this.#exit = exitOf(error) ?? this.#preview1.exit;
    if (this.#exit === undefined) throw failureOf(error);
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
    throw failureOf(error);
  }
}

function isMemory(value: unknown): value is Memory {
  return (value as Memory | undefined)?.buffer instanceof ArrayBuffer;
}

/** What a call into a guest has thrown: whatever it is, it ends this plugin alone. */
function failureOf(error: unknown): GuestTrap | GuestError {
  const failure = guestFailure(error, 0);
  if (failure instanceof GuestTrap || failure instanceof GuestError) return failure;
  const message =
    error instanceof Error ? printable(error.message, MESSAGE_MAX) : "a value that is no error was thrown";
  return new GuestTrap(message, [], { cause: error });
}

const MESSAGE_MAX = 300;
