/**
 * Owns the checks of a view before its memory is passed to libc. Knows no call.
 *
 * `view.length` may be an own property of the view, with any value; the getter of the prototype reads what the engine
 * itself keeps. It throws TypeError where the object is not a typed array.
 */

const TypedArray = Object.getPrototypeOf(Uint8Array.prototype) as object;

function getterOf<T>(name: string): (this: Uint8Array) => T {
  const get = Object.getOwnPropertyDescriptor(TypedArray, name)?.get as ((this: Uint8Array) => T) | undefined;
  if (get === undefined) throw new Error(`typed arrays have no ${name}`);
  return get;
}

const buffer = getterOf<ArrayBufferLike>("buffer");
const byteOffset = getterOf<number>("byteOffset");

/** The buffer of a view. For a view of up to 64 bytes this is slow: V8 has to move it out of its heap first. */
export function bufferOf(view: Uint8Array): ArrayBufferLike {
  return buffer.call(view);
}

/** Where in its memory a view begins. */
export function offsetOf(view: Uint8Array): number {
  return byteOffset.call(view);
}
