/**
 * Owns traps of a component that the host has found: an error that no handler of the guest catches, as that of an instruction.
 * Knows no resource and no call.
 */

import { exitOf, trapError } from "../guest/exit.js";

/** The part of the global that is used here: TypeScript declares it only together with the DOM. */
declare const WebAssembly: { RuntimeError: abstract new (...parameters: never[]) => Error };

/** The component broke a rule of the component model, or of an interface. It is thrown out of every call to it. */
export class Trap extends Error {
  override name = "Trap";
}

/**
 * The error of a real trap, with the message of what was thrown in a call of the host. A component could catch any other error.
 * @param error an exit, and a trap that went through the component, are returned unchanged
 */
export function trapOf(error: unknown): unknown {
  if (exitOf(error) !== undefined || error instanceof WebAssembly.RuntimeError) return error;
  const trap = trapError();
  traps.set(trap, messageOf(error));
  return trap;
}

/** What a trap of {@link trapOf} says; undefined for any other error. */
export function trapMessage(error: unknown): string | undefined {
  return typeof error === "object" && error !== null ? traps.get(error) : undefined;
}

const traps = new WeakMap<object, string>();

function messageOf(error: unknown): string {
  if (error instanceof Trap) return error.message;
  // An address or a length that leads out of the memory.
  if (error instanceof RangeError) return "an argument leads out of the component's memory";
  return error instanceof Error ? error.message : "a value that is no error was thrown";
}
