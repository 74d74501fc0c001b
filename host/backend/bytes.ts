/**
 * Owns copying bytes, and how many of them a view really has. Knows nothing of where they come from.
 *
 * The methods are taken from the prototype once: V8 would look them up at every call, which costs about as much as a
 * small copy.
 */

const { set, slice } = Uint8Array.prototype;
const TypedArray = Object.getPrototypeOf(Uint8Array.prototype) as object;
const length = Object.getOwnPropertyDescriptor(TypedArray, "length")?.get as (this: unknown) => number;

/** A copy of `length` bytes of `source`, starting at `from`. */
export function copyOf(source: Uint8Array, length: number, from = 0): Uint8Array {
  return slice.call(source, from, from + length);
}

/** Copies all of `source` into `target`, to its beginning or to `at`. */
export function copyTo(target: Uint8Array, source: Uint8Array, at = 0): void {
  set.call(target, source, at);
}

/** How many bytes a view really has: `view.length` may be an own property of it. @throws TypeError for what is no typed array */
export function lengthOf(view: Uint8Array): number {
  return length.call(view);
}

/** How many bytes of `view` a call for `wanted` bytes may use; negative where `wanted` is not a valid length. */
export function roomOf(view: Uint8Array, wanted: number | undefined): number {
  const room = length.call(view);
  if (wanted === undefined || wanted >= room) return room;
  return isLength(wanted) ? wanted : -1;
}

/** Is it a valid length for libc? Not a negative number, which libc would take for a very large one, nor NaN. */
export function isLength(wanted: number): boolean {
  return wanted >= 0 && wanted <= 0x7fffffff;
}
