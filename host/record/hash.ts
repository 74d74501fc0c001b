/**
 * Owns the hash that is kept in place of contents. Knows no layout.
 *
 * Up to 4,096 bytes it is computed here, because most messages are short and a call of zlib costs as much as the rest of a
 * record: two lanes of 32 bits, each of which takes every second word by operations that can be undone, so that contents
 * that differ in one word never have the same hash. Longer contents have their CRC-32.
 */

import { copyTo } from "../backend/bytes.js";
import { crc32 } from "./crc.js";

const OWN_MAX = 4096;

const bytes = new Uint8Array(OWN_MAX);
/** Little-endian, as WASI is and every host that runs this. */
const words = new Uint32Array(bytes.buffer);

/** 32 bits. */
export function hashOf(data: Uint8Array): number {
  const { length } = data;
  if (length > OWN_MAX) return crc32(data);
  copyTo(bytes, data);
  const pairs = length >>> 3;
  let one = length ^ 0x811c_9dc5;
  let other = 0x1234_5678;
  for (let i = 0; i < pairs; i++) {
    one = Math.imul(one ^ (words[2 * i] ?? 0), 0x9e37_79b1);
    one ^= one >>> 15;
    other = Math.imul(other ^ (words[2 * i + 1] ?? 0), 0x85eb_ca6b);
    other ^= other >>> 13;
  }
  for (let at = pairs << 3; at < length; at++) one = Math.imul(one ^ (bytes[at] ?? 0), 0x9e37_79b1);
  const mixed = Math.imul(one ^ other, 0xc2b2_ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
