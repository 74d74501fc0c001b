/**
 * Owns copying bytes. Knows nothing of where they come from.
 *
 * The methods are called by themselves: V8 looks a typed array's method up anew at every call, which costs about as much
 * as a small copy does.
 */

const { set, slice } = Uint8Array.prototype;

/** The first `length` bytes of `source`, or those from `from` on, as a copy of their own. */
export function copyOf(source: Uint8Array, length: number, from = 0): Uint8Array {
  return slice.call(source, from, from + length);
}

/** Copies all of `source` into `target`, to its beginning or to `at`. */
export function copyTo(target: Uint8Array, source: Uint8Array, at = 0): void {
  set.call(target, source, at);
}
