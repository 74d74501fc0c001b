/**
 * Owns the room that a guest's call has on the stack, which the guest has in common with the host. Knows no call.
 *
 * A guest chooses at which depth of its own recursion it calls the host. A call that found the stack full half-way, after accept(2) say,
 * would leave a descriptor that nobody knows. So a call looks for room before it does anything.
 */

declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports?: object) => { readonly exports: Record<string, unknown> };
};

type Look = (isFull: number) => number;

/** Of 8 bytes each, in a frame. */
const SLOTS = 2500;
/** Of 20 KB each. The deepest calls take some 10 KB, and listeners of events may be called within one. */
const FRAMES = 2;

const HEADER = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
/** (param i32) (result i32) */
const TYPES = [1, 6, 1, 0x60, 1, 0x7f, 1, 0x7f];
const FUNCTIONS = [3, 2, 1, 0];
const GLOBAL_GET = 0x23;
const GLOBAL_SET = 0x24;

function leb(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...leb(value >>> 7)];
}

function sized(contents: readonly number[]): readonly number[] {
  return leb(contents.length).concat(contents);
}

function forEachSlot(piece: (index: number) => readonly number[]): readonly number[] {
  return Array.from({ length: SLOTS }, (_, index) => piece(index)).flat();
}

/** Its frame is small: (func (export "f") (param i32) (result i32) (local.get 0)) */
function leaf(): Uint8Array {
  return Uint8Array.from([HEADER, TYPES, FUNCTIONS, [7, 5, 1, 1, 0x66, 0, 0], [10, 6, 1, 4, 0, 0x20, 0, 0x0b]].flat());
}

/**
 * A function with a large frame: one slot for each global, whose values would have to outlive a call in a branch that is never taken.
 * When a function that calls another one is entered, V8 checks that the stack has room for its frame, if that is large.
 *
 * (module
 *   (import "m" "f" (func $next (param i32) (result i32)))
 *   (global (mut i64) (i64.const 0)) ...
 *   (func (export "f") (param i32) (result i32)
 *     (if (local.get 0) (then
 *       (global.get 0) (global.get 1) ... (drop (call $next (i32.const 0))) ... (global.set 1) (global.set 0)))
 *     (call $next (i32.const 0))))
 */
function large(): Uint8Array {
  const next = [0x41, 0, 0x10, 0];
  const body = [
    [0, 0x20, 0, 0x04, 0x40],
    forEachSlot((index) => [GLOBAL_GET, ...leb(index)]),
    [...next, 0x1a],
    forEachSlot((index) => [GLOBAL_SET, ...leb(SLOTS - 1 - index)]),
    [0x0b, ...next, 0x0b],
  ].flat();
  const globals = leb(SLOTS).concat(forEachSlot(() => [0x7e, 1, 0x42, 0, 0x0b]));
  return Uint8Array.from(
    [
      [...HEADER, ...TYPES, 2, 7, 1, 1, 0x6d, 1, 0x66, 0, 0, ...FUNCTIONS],
      [6, sized(globals), 7, 5, 1, 1, 0x66, 0, 1].flat(),
      [10, sized([1, sized(body)].flat())].flat(),
    ].flat(),
  );
}

let known: Look | undefined;

/** Throws where there is no room on the stack. */
function lookForRoom(): Look {
  if (known !== undefined) return known;
  let look = new WebAssembly.Instance(new WebAssembly.Module(leaf())).exports["f"];
  const module = new WebAssembly.Module(large());
  for (let frame = 0; frame < FRAMES; frame++) look = new WebAssembly.Instance(module, { m: { f: look } }).exports["f"];
  return (known = look as Look);
}

type Functions = Readonly<Record<string, unknown>>;
type Call = (...parameters: unknown[]) => unknown;

/** The call as a guest is to have it: where there is no room on the stack, it throws RangeError before it begins. */
export function withRoom<T extends Call>(call: T): T {
  const look = lookForRoom();
  const roomy: Call = (...parameters) => {
    look(0);
    return call(...parameters);
  };
  return roomy as T;
}

/** The same for each of them. */
export function allWithRoom<T extends Functions>(calls: T): T {
  const entries = Object.entries(calls).map(([name, call]) => [name, withRoom(call as Call)] as const);
  return Object.fromEntries(entries) as T;
}
