/** Owns the functions of a guest on a stack: reads them out of an error's. Knows V8's text; knows no guest. */

/** A function of the guest on the stack of a trap. */
export interface GuestFrame {
  /** From the module's name section; "" where it has none for it. */
  readonly function: string;
  /** Its index in the module, imports counted. */
  readonly index: number;
  /** In the module's bytes. */
  readonly offset: number;
}

/** "at name (wasm://wasm/4f1c:wasm-function[3]:0x9f)"; without a name there are no parentheses. */
const FRAME = /^\s*at (?:(.*) \()?wasm:\/\/[^\s]*?:wasm-function\[(\d+)\]:0x([0-9a-f]+)\)?$/;

/** @param shift by how many bytes code is further back than in the guest's own bytes */
export function framesOf(error: Error, shift: number): GuestFrame[] {
  const frames: GuestFrame[] = [];
  for (const line of (error.stack ?? "").split("\n")) {
    const match = FRAME.exec(line);
    if (match === null) continue;
    const [, name = "", index = "", offset = ""] = match;
    frames.push({ function: name, index: Number(index), offset: Number.parseInt(offset, 16) - shift });
  }
  return frames;
}
