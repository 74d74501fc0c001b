/** Owns the forms in which bytes are passed: a Uint8Array, or a string to be encoded as UTF-8. Knows no channel. */

import { plainBytes } from "../../net/plain-bytes.js";

/** Bytes to send; a string is sent as UTF-8. */
export type Bytes = Uint8Array | string;

export const NO_BYTES = new Uint8Array(0);

const encoder = new TextEncoder();

/** The bytes, with a reliable `length`: newly encoded for a string, not copied for a Uint8Array. @throws TypeError */
export function bytesOf(name: string, data: unknown): Uint8Array {
  if (typeof data === "string") return encoded(data);
  return plainBytes(name, data, "a string or a Uint8Array (a Buffer is one)");
}

/** A string's bytes, in memory of their own: for what is kept. */
export function ownBytesOf(text: string): Uint8Array {
  return encoder.encode(text);
}

/**
 * For what is sent soon, Node's pool of memory, which short strings share: TextEncoder takes several times as long for
 * them. No Buffer, whose `slice` is no copy: an overridden `send` is given it.
 */
function encoded(text: string): Uint8Array {
  const { buffer, byteOffset, length } = Buffer.from(text);
  return new Uint8Array(buffer, byteOffset, length);
}
