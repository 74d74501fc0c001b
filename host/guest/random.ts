/** Owns the random bytes that a guest has by default: the system's. Knows no guest. */

/** What the Web Crypto API fills at once. */
const PIECE_BYTES = 65_536;

/** Fills with bytes of the Web Crypto API, whatever the length. */
export function systemRandom(target: Uint8Array): void {
  for (let at = 0; at < target.length; at += PIECE_BYTES) {
    globalThis.crypto.getRandomValues(target.subarray(at, at + PIECE_BYTES) as Uint8Array<ArrayBuffer>);
  }
}
