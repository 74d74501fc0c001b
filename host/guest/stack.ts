/**
 * Owns the room that a guest's call has on the stack, which the guest has in common with the host. Knows no call.
 *
 * A guest chooses at which depth of its own recursion it calls the host. A call that found the stack full half-way, after accept(2) say,
 * would leave a descriptor that nobody knows. So a call looks for room before it does anything.
 */

declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object) => { readonly exports: Record<string, unknown> };
};

/** As many results as V8 takes: they are part of the caller's frame in optimized code. In other code its locals are, as many. */
const SLOTS = 1000;
/** Frames of 8 KB each. The deepest calls take some 10 KB, and listeners of events may be called within one. */
const FRAMES = 6;

const I64 = 0x7e;
const DROP = 0x1a;

function leb(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...leb(value >>> 7)];
}

function repeated(byte: number): number[] {
  return Array.from({ length: SLOTS }, () => byte);
}

function sized(contents: readonly number[]): number[] {
  return [...leb(contents.length), ...contents];
}

/**
 * (module
 *   (func $f (export "f") (param i32) (local i64 ...)
 *     (if (i32.lt_s (local.get 0) (i32.const 0)) (then (call $never) (drop) ...))
 *     (if (local.get 0) (then (call $f (i32.sub (local.get 0) (i32.const 1))))))
 *   (func $never (result i64 ...) unreachable))
 */
function bytes(): Uint8Array {
  const results = [...leb(SLOTS), ...repeated(I64)];
  const never = [0x10, 1, ...repeated(DROP)];
  const body = [
    ...[1, ...leb(SLOTS), I64],
    ...[0x20, 0, 0x41, 0, 0x48, 0x04, 0x40, ...never, 0x0b],
    ...[0x20, 0, 0x04, 0x40, 0x20, 0, 0x41, 1, 0x6b, 0x10, 0, 0x0b, 0x0b],
  ];
  return Uint8Array.of(
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...[1, ...sized([2, 0x60, 1, 0x7f, 0, 0x60, 0, ...results])],
    ...[3, 3, 2, 0, 1],
    ...[7, 5, 1, 1, 0x66, 0, 0],
    ...[10, ...sized([2, ...sized(body), ...sized([0, 0, 0x0b])])],
  );
}

type Functions = Readonly<Record<string, unknown>>;
type Call = (...parameters: unknown[]) => unknown;

let frames: ((count: number) => void) | undefined;

function loaded(): (count: number) => void {
  return (frames ??= new WebAssembly.Instance(new WebAssembly.Module(bytes())).exports["f"] as (count: number) => void);
}

/** The call as a guest is to have it: where there is no room on the stack, it throws RangeError before it begins. */
export function withRoom<T extends Call>(call: T): T {
  const look = loaded();
  const roomy: Call = (...parameters) => {
    look(FRAMES);
    return call(...parameters);
  };
  return roomy as T;
}

/** The same for each of them. */
export function allWithRoom<T extends Functions>(calls: T): T {
  const entries = Object.entries(calls).map(([name, call]) => [name, withRoom(call as Call)] as const);
  return Object.fromEntries(entries) as T;
}
