/**
 * Owns copying bytes. Knows nothing of where they come from.
 *
 * The methods are taken from the prototype once: V8 would look them up at every call, which costs about as much as a
 * small copy.
 */

const { set, slice } = Uint8Array.prototype;

/** A copy of `length` bytes of `source`, starting at `from`. */
export function copyOf(source: Uint8Array, length: number, from = 0): Uint8Array {
  return slice.call(source, from, from + length);
}

/** Copies all of `source` into `target`, to its beginning or to `at`. */
export function copyTo(target: Uint8Array, source: Uint8Array, at = 0): void {
  set.call(target, source, at);
}
