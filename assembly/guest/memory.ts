/**
 * Owns how the library makes byte arrays: without filling with zeros what is overwritten at once, and without the checks
 * of a length that is known to be right. Knows nothing else.
 */

/** A Uint8Array with a copy of `length` bytes. */
export function bytesAt(at: usize, length: i32): Uint8Array {
  // Held as an object, and not by its address alone: making the view may collect.
  const held = changetype<ArrayBuffer>(__new(length, idof<ArrayBuffer>()));
  const buffer = changetype<usize>(held);
  memory.copy(buffer, at, length);
  const bytes = __new(offsetof<Uint8Array>(), idof<Uint8Array>());
  store<usize>(bytes, buffer, offsetof<Uint8Array>("buffer"));
  store<usize>(bytes, buffer, offsetof<Uint8Array>("dataStart"));
  store<i32>(bytes, length, offsetof<Uint8Array>("byteLength"));
  __link(bytes, buffer, false);
  return changetype<Uint8Array>(bytes);
}

/** A StaticArray of `length` elements, all of them zeros or null. */
export function newStaticArray<T>(length: i32): StaticArray<T> {
  const size = (<usize>length) << alignof<T>();
  const array = __new(size, idof<StaticArray<T>>());
  memory.fill(array, 0, size);
  return changetype<StaticArray<T>>(array);
}

/** The same array, or a longer one, that has a place for `index`. */
export function withRoom<T>(array: StaticArray<T>, index: i32): StaticArray<T> {
  const length = array.length;
  if (index < length) return array;
  const grown = newStaticArray<T>(max(index + 1, 2 * length));
  // What is copied needs no __link, as in the runtime's own __renew: whoever holds the new array will have it visited.
  memory.copy(changetype<usize>(grown), changetype<usize>(array), usize(length) << alignof<T>());
  return grown;
}
