/** Owns how an address reads. Knows bytes in network order; knows no socket. */

import { decimal } from "./messages";

const GROUPS: i32 = 8;

/** Of 4 bytes "127.0.0.1", of 16 "::1" as RFC 5952 has it, of none "". */
export function addressText(at: usize, length: i32): string {
  if (length == 16) return textOfIPv6(at);
  let text = "";
  for (let i = 0; i < length; i++) text += (i > 0 ? "." : "") + decimal(load<u8>(at + i));
  return text;
}

/** The longest run of zeros, the first of equals, of two groups at least, is "::". */
function textOfIPv6(at: usize): string {
  let gap = -1;
  let gapLength = 1;
  for (let i = 0; i < GROUPS; i++) {
    let run = 0;
    while (i + run < GROUPS && load<u16>(at + 2 * (i + run)) == 0) run += 1;
    if (run > gapLength) {
      gap = i;
      gapLength = run;
    }
  }
  let text = "";
  let i = 0;
  while (i < GROUPS) {
    if (i == gap) {
      text += "::";
      i += gapLength;
      continue;
    }
    if (text.length > 0 && !text.endsWith("::")) text += ":";
    text += hexadecimal(bswap<u16>(load<u16>(at + 2 * i)));
    i += 1;
  }
  return text;
}

function hexadecimal(value: u32): string {
  let text = "";
  for (let shift = 12; shift >= 0; shift -= 4) {
    const digit = (value >> shift) & 15;
    if (digit == 0 && text.length == 0 && shift > 0) continue;
    text += String.fromCharCode(digit < 10 ? 48 + digit : 87 + digit);
  }
  return text;
}
