/**
 * Owns copying bytes. Knows nothing of where they come from.
 *
 * The methods are called by themselves: V8 looks a typed array's method up anew at every call, which costs about as much
 * as a small copy does.
 */

const { set, slice } = Uint8Array.prototype;

/** The first `length` bytes of `source`, as a copy of their own. */
export function copyOf(source: Uint8Array, length: number): Uint8Array {
  return slice.call(source, 0, length);
}

/** Copies all of `source` to the beginning of `target`. */
export function copyTo(target: Uint8Array, source: Uint8Array): void {
  set.call(target, source);
}
