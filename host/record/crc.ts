/** Owns CRC-32 (the one of zlib and PNG). Knows no layout. */

import * as zlib from "node:zlib";

const TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit++) value = (value & 1) === 1 ? (value >>> 1) ^ 0xed_b8_83_20 : value >>> 1;
  return value;
});

/** From how many bytes on a call of zlib costs less. */
const NATIVE_FROM = 160;

type Crc32 = (data: Uint8Array, value?: number) => number;

/** Not in every runtime that has node:zlib. */
const native = (zlib as { readonly crc32?: Crc32 }).crc32;

/** The CRC-32 of `data` from `from` to `to`, continued from `value`, which is that of what precedes it. */
export function crc32(data: Uint8Array, value = 0, from = 0, to: number = data.length): number {
  if (native !== undefined && to - from >= NATIVE_FROM) return native(data.subarray(from, to), value);
  return crc32OfTable(data, value, from, to);
}

/** The same, where there is no zlib. */
export function crc32OfTable(data: Uint8Array, value: number, from: number, to: number): number {
  let crc = ~value;
  for (let at = from; at < to; at++) crc = (crc >>> 8) ^ (TABLE[(crc ^ (data[at] ?? 0)) & 0xff] ?? 0);
  return ~crc >>> 0;
}
