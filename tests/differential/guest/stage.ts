/**
 * Owns what the handlers of a guest share while a scenario is played: the trace, the specifications, the addresses that
 * the host has told, and the handlers by name. Knows what a script is; leaves making handlers to handlers.ts.
 */

import { type Dispatcher, type SocketAddress } from "wasyncore";
import { type Value } from "./value.js";

export const lines: string[] = [];
/** What a handler is to be and do, by its name in the scenario: [kind, readable, writable, terminator, terminators, in, out, on]. */
export const specs: Map<string, Value> = new Map<string, Value>();
export const addresses: Map<string, SocketAddress> = new Map<string, SocketAddress>();
export const handlers: Map<string, Dispatcher> = new Map<string, Dispatcher>();
/** In the order in which they were made. */
export const names: string[] = [];

export function log(line: string): void {
  lines.push(line);
}

export function flagsOf(handler: Dispatcher): string {
  return (handler.connected ? "c" : "-") + (handler.connecting ? "o" : "-") + (handler.accepting ? "a" : "-");
}

let left: bool = false;

/** A handler leaves the loop. */
export function leaveLoop(): void {
  left = true;
}

/** Has a handler left the loop since this was called last? */
export function tookLeave(): bool {
  const before = left;
  left = false;
  return before;
}
