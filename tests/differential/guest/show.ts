/** Owns how a guest writes bytes in a trace: as ../scenario.ts does. Knows no handler. */

const SHOWN_BYTES: i32 = 48;
const POLYNOMIAL: u32 = 0xedb88320;
const HEXADECIMALS = "0123456789abcdef";

/** Bytes as a trace has them: a JSON string, or a length and a CRC-32. */
export function show(data: Uint8Array): string {
  if (data.length > SHOWN_BYTES) return `${data.length} bytes, CRC ${hexadecimal(crc32(data), 8)}`;
  let text = '"';
  for (let i = 0; i < data.length; i++) text += shownCharacter(data[i]);
  return text + '"';
}

function shownCharacter(byte: u8): string {
  if (byte === 0x22) return '\\"';
  if (byte === 0x5c) return "\\\\";
  if (byte >= 0x20) return String.fromCharCode(byte);
  if (byte === 8) return "\\b";
  if (byte === 9) return "\\t";
  if (byte === 10) return "\\n";
  if (byte === 12) return "\\f";
  if (byte === 13) return "\\r";
  return "\\u" + hexadecimal(byte, 4);
}

function crc32(data: Uint8Array): u32 {
  let crc: u32 = 0xffffffff;
  for (let i = 0; i < data.length; i++) {
    crc ^= data[i];
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ ((crc & 1) === 0 ? 0 : POLYNOMIAL);
  }
  return ~crc;
}

function hexadecimal(value: u32, digits: i32): string {
  let text = "";
  for (let shift = 4 * (digits - 1); shift >= 0; shift -= 4) text += HEXADECIMALS.charAt((value >>> shift) & 15);
  return text;
}
