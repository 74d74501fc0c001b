/**
 * Owns the hashes of recordings: of what a guest sends, and of its memory. They tell what differs by accident, and are no
 * protection against intent. The same bytes give the same hash everywhere.
 */

const PRIME_1 = 0x9e3779b1;
const PRIME_2 = 0x85ebca6b;
const WORD_BYTES = 4;

/** Goes on from `hash` with the bytes of `view` from `at` to `end`. @returns an int32 */
export function hashBytes(view: DataView, at: number, end: number, hash: number): number {
  let mixed = hash ^ Math.imul(end - at, PRIME_2);
  let from = at;
  for (; from + WORD_BYTES <= end; from += WORD_BYTES) mixed = mixWord(mixed, view.getInt32(from, true));
  for (; from < end; from++) mixed = mixWord(mixed, view.getUint8(from));
  return mixed;
}

/** Goes on from `hash` with 32 bits. */
export function mixWord(hash: number, word: number): number {
  const mixed = Math.imul(hash ^ word, PRIME_1);
  return mixed ^ (mixed >>> 15);
}

/** Of a whole memory: 64 bits, as 16 hexadecimal digits. */
export function hashMemory(buffer: ArrayBuffer): string {
  // A page is a multiple of 8 bytes.
  const words = new Int32Array(buffer);
  let low = buffer.byteLength | 0;
  let high = PRIME_2 | 0;
  for (let i = 0; i < words.length; i += 2) {
    low = mixWord(low, words[i] ?? 0);
    high = mixWord(high ^ low, words[i + 1] ?? 0);
  }
  const digits = (part: number): string => (part >>> 0).toString(16).padStart(8, "0");
  return digits(high) + digits(low);
}
