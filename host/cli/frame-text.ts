/** Owns how a function of a guest on a stack is shown. */

import type { GuestFrame } from "../guest/frames.js";
import { printable } from "../backend/printable.js";

export function frameText({ function: name, index, offset }: GuestFrame): string {
  const place = `function ${index}, at 0x${offset.toString(16)}`;
  return name === "" ? `    in ${place}` : `    in ${printable(name)} (${place})`;
}
