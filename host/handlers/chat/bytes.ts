/** Owns how bytes are given: as a Uint8Array, or as a string, which stands for its UTF-8. Knows no channel. */

import { plainBytes } from "../../net/plain-bytes.js";

/** Bytes to send; a string stands for its UTF-8. */
export type Bytes = Uint8Array | string;

export const NO_BYTES = new Uint8Array(0);

const encoder = new TextEncoder();

/** The bytes themselves, whose `length` is true: a string's are new, a Uint8Array's are its own. @throws TypeError */
export function bytesOf(name: string, data: unknown): Uint8Array {
  if (typeof data === "string") return encoder.encode(data);
  return plainBytes(name, data);
}
