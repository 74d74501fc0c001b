/**
 * Owns the checks of a view before libc is given its memory. Knows no call.
 *
 * `view.length` may be an own property of the view, with any value; the getter of the prototype reads what the engine
 * itself keeps. It throws TypeError for what is no typed array.
 */

const TypedArray = Object.getPrototypeOf(Uint8Array.prototype) as object;

function getterOf<T>(name: string): (this: Uint8Array) => T {
  const get = Object.getOwnPropertyDescriptor(TypedArray, name)?.get as ((this: Uint8Array) => T) | undefined;
  if (get === undefined) throw new Error(`typed arrays have no ${name}`);
  return get;
}

const length = getterOf<number>("length");
const buffer = getterOf<ArrayBufferLike>("buffer");
const byteOffset = getterOf<number>("byteOffset");

/** How many bytes a view really has. */
export function lengthOf(view: Uint8Array): number {
  return length.call(view);
}

/** The memory that a view is a part of. V8 moves a view of up to 64 bytes out of its heap for that, which is slow. */
export function bufferOf(view: Uint8Array): ArrayBufferLike {
  return buffer.call(view);
}

/** Where in its memory a view begins. */
export function offsetOf(view: Uint8Array): number {
  return byteOffset.call(view);
}

/** How many bytes of `view` a call for `wanted` bytes may use; negative where `wanted` is no length. */
export function roomOf(view: Uint8Array, wanted: number | undefined): number {
  const room = length.call(view);
  if (wanted === undefined || wanted >= room) return room;
  return isLength(wanted) ? wanted : -1;
}

/** Is it a number of bytes that libc can be given? Not for a negative number, which would be a very large one, nor for NaN. */
export function isLength(wanted: number): boolean {
  return wanted >= 0 && wanted <= 0x7fffffff;
}
