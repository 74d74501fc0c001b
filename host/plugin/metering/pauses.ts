/**
 * Owns what is put into a function of a module that is not metered: a call of an empty function before each instruction that
 * works on a range. Knows the instructions; knows no section.
 *
 * V8 ends a thread's code at the entry of a function, and in a loop when the code has used up a budget, which such an
 * instruction takes nothing of: a loop of instructions that take milliseconds each would run on for minutes.
 */

import { Op, skipImmediates } from "./instructions.js";
import { damaged, type Reader } from "./reader.js";
import type { Writer } from "./writer.js";

/**
 * Writes a function's body, without its size.
 * @param reader of the body alone
 * @param pause the index of the empty function
 * @param marks is given pairs: a position in what is written, and where that comes from in the source
 * @returns whether it has put in anything
 */
export function putPauses(reader: Reader, pause: number, writer: Writer, marks?: number[]): boolean {
  const { bytes } = reader;
  const from = reader.at;
  let copied = from;
  for (let groups = reader.count(); groups > 0; groups--) {
    reader.u32();
    reader.skipValueType();
  }
  for (let depth = 1; depth > 0;) {
    const at = reader.at;
    const opcode = reader.byte();
    const isRange = skipImmediates(reader, opcode);
    if (isRange || opcode === Op.MEMORY_GROW) {
      marks?.push(writer.length, copied);
      writer.range(bytes, copied, at);
      writer.byte(Op.CALL);
      writer.u32(pause);
      copied = at;
    } else depth += nesting(opcode);
  }
  if (!reader.isAtEnd) throw damaged("a function goes on after its end");
  marks?.push(writer.length, copied);
  writer.range(bytes, copied, reader.end);
  return copied > from;
}

function nesting(opcode: number): number {
  switch (opcode) {
    case Op.BLOCK:
    case Op.LOOP:
    case Op.IF:
    case Op.TRY:
    case Op.TRY_TABLE:
      return 1;
    case Op.END:
    case Op.DELEGATE:
      return -1;
    default:
      return 0;
  }
}
