/**
 * Owns the bytes of a scenario, and how a trace shows them. Knows nothing else that has to do with Node: components have it
 * too. Twin of what handlers.py shows.
 */

import { pattern } from "../support/pattern.js";

/** A text stands for its bytes in Latin-1; a pattern shows where a byte is missing. */
export type Data = string | { readonly pattern: number };

const SHOWN_BYTES = 48;
/** Of CRC-32, reversed. */
const POLYNOMIAL = 0xedb88320;

/** The bytes that a scenario means. */
export function readData(data: Data): Uint8Array {
  if (typeof data === "string") return Buffer.from(data, "latin1");
  return pattern(data.pattern);
}

/** Bytes as a trace has them. */
export function show(data: Uint8Array): string {
  const bytes = Buffer.from(data);
  if (bytes.length <= SHOWN_BYTES) return JSON.stringify(bytes.toString("latin1"));
  return `${bytes.length} bytes, CRC ${crc32(bytes).toString(16).padStart(8, "0")}`;
}

const CRCS = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? POLYNOMIAL : 0);
  return crc;
});

/** As zlib has it. */
function crc32(bytes: Uint8Array): number {
  let crc = ~0;
  for (const byte of bytes) crc = (crc >>> 8) ^ (CRCS[(crc ^ byte) & 0xff] ?? 0);
  return ~crc >>> 0;
}
