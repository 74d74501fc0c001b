/**
 * Owns a guest as a WebAssembly module: compiles it, finds out whether it can run here, instantiates it, calls it, and
 * reports how that ended. Knows the calls of preview 1 as functions; knows no descriptor and no command line.
 */

import { checkString } from "../backend/check.js";
import type { LinearMemory } from "../wasi/poll-oneoff.js";
import { endingReason, exitOf, type GuestExit } from "./exit.js";
import type { CallWatcher } from "./calls/context.js";
import { framesOf, type GuestFrame } from "./frames.js";
import { checkImports, compileGuest, GuestError, type GuestModule, PREVIEW1, withoutPrefix } from "./module.js";
import { printable } from "../backend/printable.js";

export { GuestError, type GuestErrorCode } from "./module.js";
export type { GuestFrame } from "./frames.js";

type ErrorClass = abstract new (...parameters: never[]) => Error;

/** The part of the global that is used here: TypeScript declares it only together with the DOM. */
declare const WebAssembly: {
  Instance: new (module: object, imports: object) => { readonly exports: Record<string, unknown> };
  Exception: abstract new (...parameters: never[]) => object;
  RuntimeError: ErrorClass;
};

/** What answers a guest's calls: `Preview1`, or what is between the guest and it. */
export interface GuestCalls {
  /** The functions by their names in the module. */
  readonly imports: object;
  /** How the guest has ended itself; undefined while it has not. */
  readonly exit: GuestExit | undefined;
  /** Gives it the guest's memory, which exists once the guest is instantiated. */
  attach(memory: LinearMemory): void;
  /** For who follows its calls. */
  readonly watcher?: CallWatcher;
}

/** Who follows the host's calls into a guest. */
export interface GuestObserver {
  /** @param name of the export, "" for the start function */
  entering(name: string, timeoutNs?: bigint): void;
  /** The export has returned, and the guest has not ended itself. */
  left(result: unknown): void;
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

/** An instance of a guest. It does not own what answers its calls, which is to be closed after it. */
export class Guest {
  readonly #module: GuestModule;
  readonly #calls: GuestCalls;
  readonly #observer: GuestObserver | undefined;
  readonly #exports: Record<string, unknown>;
  #exit: GuestExit | undefined;

  /**
   * Instantiates, and runs the module's start function if it has one.
   * @param source a module of {@link compileGuest}, or its bytes
   * @throws GuestError for a module that cannot be run, GuestTrap when its start function traps
   */
  constructor(source: GuestModule | Uint8Array, calls: GuestCalls, observer?: GuestObserver) {
    const module = source instanceof Uint8Array ? compileGuest(source) : source;
    checkImports(module, calls.imports);
    this.#module = module;
    this.#calls = calls;
    this.#observer = observer;
    let exports: Record<string, unknown> = {};
    this.#enter(() => {
      ({ exports } = new WebAssembly.Instance(module.module, { [PREVIEW1]: calls.imports }));
    });
    this.#exports = exports;
    calls.attach(memoryOf(exports));
    if (module.start === undefined) return;
    observer?.entering("");
    this.#enter(exports[module.start] as () => void);
    if (this.#exit === undefined) observer?.left(undefined);
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
    return this.#call("_start", NO_RESULT, "it is a library, not a command") ?? this.exitCode ?? 0;
  }

  /**
   * Makes a library ready: calls `_initialize`, once.
   * @throws GuestTrap, GuestError when it is a command
   */
  initialize(): void {
    this.#call("_initialize", NO_RESULT, "a guest that takes turns is built with --reactor");
  }

  /**
   * One turn of a library's loop.
   * @returns how many channels were ready; negative: an errno that the guest has written to its standard error. 0 once it has
   *   ended, see {@link exitCode}
   * @throws GuestTrap, GuestError when it has no turns
   */
  turn(timeoutNs: bigint): number {
    return this.#call("turn", "(i64) -> i32", NO_TURNS, timeoutNs) ?? 0;
  }

  /** How many channels and timers a library's loop has: at 0 there is nothing left to wait for. */
  pending(): number {
    return this.#call("pending", "() -> i32", NO_TURNS) ?? 0;
  }

  /** Calls an export. @returns its result; undefined where it has none, or has ended the guest. */
  #call(name: string, signature: string, otherwise: string, ...parameters: bigint[]): number | undefined {
    if (this.#exit !== undefined) return undefined;
    const call = this.#exports[name];
    if (typeof call !== "function")
      throw new GuestError("ERR_GUEST_EXPORTS", `it exports no function ${name}: ${otherwise}`);
    const found = this.#module.binary.exported(name);
    if (found !== signature)
      throw new GuestError(
        "ERR_GUEST_EXPORTS",
        `it exports ${name} with another signature: ${signature}, not ${found}`,
      );
    let result: unknown;
    this.#observer?.entering(name, ...parameters);
    this.#enter(() => {
      result = call(...parameters);
    });
    if (this.#exit === undefined) this.#observer?.left(result);
    return this.#exit === undefined && typeof result === "number" ? result : undefined;
  }

  /** Calls into the guest. @throws GuestTrap */
  #enter(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#exit = exitOf(error) ?? this.#calls.exit;
      if (this.#exit === undefined) throw guestFailure(error, this.#module.shift);
    }
    // Where a trap can be caught, the guest may have gone on, without anything that it had.
    this.#exit ??= this.#calls.exit;
  }
}

const NO_TURNS = "it was not built with wasyncore build";
const NO_RESULT = "() -> ()";

/**
 * What a call into a guest has thrown, as the guest's failure where it is one.
 * @param shift by how many bytes code is further back than in the guest's own bytes
 */
export function guestFailure(error: unknown, shift: number): unknown {
  const reason = endingReason(error);
  if (reason instanceof GuestError) return reason;
  if (error instanceof WebAssembly.RuntimeError)
    return new GuestTrap(printable(error.message, MESSAGE_MAX), framesOf(error, shift), { cause: error });
  if (error instanceof WebAssembly.Exception)
    return new GuestTrap("an exception that nobody caught", [], { cause: error });
  if (!(error instanceof RangeError)) return error;
  if (error.message.startsWith("WebAssembly.Instance()"))
    return new GuestError("ERR_GUEST_MEMORY", withoutPrefix(error));
  // Thrown by V8 for guests as for JavaScript.
  return error.message.startsWith("Maximum call stack")
    ? new GuestTrap("stack overflow", framesOf(error, shift), { cause: error })
    : error;
}

const MESSAGE_MAX = 300;

function memoryOf({ memory }: Record<string, unknown>): LinearMemory {
  const linear = memory as LinearMemory;
  if (linear.buffer instanceof ArrayBuffer) return linear;
  throw new GuestError("ERR_GUEST_EXPORTS", "its memory is shared: there are no threads here");
}
