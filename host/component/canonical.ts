/** Owns the built-in functions of the asynchronous ABI by their numbers in a component: names, and what follows each. */

import { unknown } from "./bytes.js";

/** What follows the number. */
type Has =
  "" | "type" | "type options" | "type async" | "result options" | "slot" | "async" | "cancel" | "cancel memory";

const CANONICAL = {
  0x05: ["task.cancel", ""],
  0x06: ["subtask.cancel", "async"],
  0x09: ["task.return", "result options"],
  0x0a: ["context.get", "slot"],
  0x0b: ["context.set", "slot"],
  0x0c: ["thread.yield", "cancel"],
  0x0d: ["subtask.drop", ""],
  // Of a stream: those of a future follow in the same order.
  0x0e: ["new", "type"],
  0x0f: ["read", "type options"],
  0x10: ["write", "type options"],
  0x11: ["cancel-read", "type async"],
  0x12: ["cancel-write", "type async"],
  0x13: ["drop-readable", "type"],
  0x14: ["drop-writable", "type"],
  0x1f: ["waitable-set.new", ""],
  0x20: ["waitable-set.wait", "cancel memory"],
  0x21: ["waitable-set.poll", "cancel memory"],
  0x22: ["waitable-set.drop", ""],
  0x23: ["waitable.join", ""],
  0x24: ["backpressure.inc", ""],
  0x25: ["backpressure.dec", ""],
} as const satisfies Readonly<Record<number, readonly [string, Has]>>;

const FUTURES = 0x15;
const STREAMS = 0x0e;
const FUTURES_END = 0x1b;

type Canonical = typeof CANONICAL;
export type CanonName = Canonical[keyof Canonical][0];

/** @throws GuestError for one that is not served */
export function canonOf(kind: number): { readonly name: CanonName; readonly has: Has } {
  const known = kind >= FUTURES && kind <= FUTURES_END ? kind - FUTURES + STREAMS : kind;
  const found = (CANONICAL as Readonly<Record<number, readonly [CanonName, Has]>>)[known];
  if (found === undefined) throw unknown(nameOf(kind));
  return { name: found[0], has: found[1] };
}

/** What one is for that is not served. */
function nameOf(kind: number): string {
  if (kind >= 0x1c && kind <= 0x1e) return "error-context";
  return kind >= 0x26 && kind <= 0x42 ? "threads" : `a built-in function ${kind}`;
}
