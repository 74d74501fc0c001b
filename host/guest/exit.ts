/**
 * Owns the way out of a guest that a call ends, by proc_exit or because it is refused: an error that no handler of the guest
 * catches. Knows WebAssembly's exceptions; knows no call.
 *
 * A guest may catch whatever JavaScript throws (catch_all), and would run on. It cannot catch a trap, and what traps in
 * another module, below a call of JavaScript, is a trap for it as well. So such a call traps, on purpose.
 */

declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object) => { readonly exports: Record<string, unknown> };
};

/** How a guest has ended itself. */
export class GuestExit {
  /** As the guest gave it: u32. */
  readonly code: number;

  constructor(code: number) {
    this.code = code;
  }
}

/** (module (func (export "t") unreachable)) */
const TRAP = Uint8Array.of(
  ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
  ...[1, 4, 1, 0x60, 0, 0],
  ...[3, 2, 1, 0],
  ...[7, 5, 1, 1, 0x74, 0, 0],
  ...[10, 5, 1, 3, 0, 0, 0x0b],
);

const reasons = new WeakMap<object, object>();
let trap: (() => void) | undefined;

/** What a call throws to end its guest, because of `reason`. */
export function endingError(reason: object): Error {
  const error = trapError();
  reasons.set(error, reason);
  return error;
}

/** The error of a trap, which no handler of a guest catches. */
export function trapError(): Error {
  trap ??= new WebAssembly.Instance(new WebAssembly.Module(TRAP)).exports["t"] as () => void;
  try {
    trap();
  } catch (error) {
    return error as Error;
  }
  return new Error("unreachable");
}

/** The exit that an error out of a guest stands for; undefined for any other. */
export function exitOf(error: unknown): GuestExit | undefined {
  const reason = endingReason(error);
  return reason instanceof GuestExit ? reason : undefined;
}

/** Why a call has ended its guest; for any other error the error itself. */
export function endingReason(error: unknown): unknown {
  return typeof error === "object" && error !== null ? (reasons.get(error) ?? error) : error;
}
