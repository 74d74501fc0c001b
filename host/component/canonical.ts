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
  0x0e: ["stream.new", "type"],
  0x0f: ["stream.read", "type options"],
  0x10: ["stream.write", "type options"],
  0x11: ["stream.cancel-read", "type async"],
  0x12: ["stream.cancel-write", "type async"],
  0x13: ["stream.drop-readable", "type"],
  0x14: ["stream.drop-writable", "type"],
  0x15: ["future.new", "type"],
  0x16: ["future.read", "type options"],
  0x17: ["future.write", "type options"],
  0x18: ["future.cancel-read", "type async"],
  0x19: ["future.cancel-write", "type async"],
  0x1a: ["future.drop-readable", "type"],
  0x1b: ["future.drop-writable", "type"],
  0x1f: ["waitable-set.new", ""],
  0x20: ["waitable-set.wait", "cancel memory"],
  0x21: ["waitable-set.poll", "cancel memory"],
  0x22: ["waitable-set.drop", ""],
  0x23: ["waitable.join", ""],
  0x24: ["backpressure.inc", ""],
  0x25: ["backpressure.dec", ""],
} as const satisfies Readonly<Record<number, readonly [string, Has]>>;

type Canonical = typeof CANONICAL;
export type CanonName = Canonical[keyof Canonical][0];

/** Those that are known, and not served. */
const REFUSED: Readonly<Record<number, string>> = {
  ...{ 0x1c: "error-context.new", 0x1d: "error-context.debug-message", 0x1e: "error-context.drop" },
  ...{ 0x26: "thread.index", 0x27: "thread.new-indirect", 0x28: "thread.resume-later", 0x29: "thread.suspend" },
  ...{ 0x2a: "thread.suspend-then-resume", 0x2b: "thread.yield-then-resume", 0x2c: "thread.suspend-then-promote" },
  ...{ 0x2d: "thread.yield-then-promote", 0x40: "thread.spawn-ref", 0x41: "thread.spawn-indirect" },
  ...{ 0x42: "thread.available-parallelism" },
};

/** @throws GuestError for one that is not served */
export function canonOf(kind: number): { readonly name: CanonName; readonly has: Has } {
  const found = (CANONICAL as Readonly<Record<number, readonly [CanonName, Has]>>)[kind];
  if (found === undefined) throw unknown(REFUSED[kind] ?? `a built-in function ${kind}`);
  return { name: found[0], has: found[1] };
}
