/**
 * Owns the encoding of instructions: how long each is, and which kinds matter to metering. Knows the features that V8 has
 * by default, without garbage collection and 64-bit memories; anything else is refused, because an instruction of unknown
 * length hides those after it. Knows nothing of what is counted.
 */

import { damaged, type Reader, unsupported } from "./reader.js";

export const Op = {
  BLOCK: 0x02,
  LOOP: 0x03,
  IF: 0x04,
  TRY: 0x06,
  THROW: 0x08,
  RETHROW: 0x09,
  THROW_REF: 0x0a,
  CALL: 0x10,
  RETURN_CALL_REF: 0x15,
  DELEGATE: 0x18,
  TRY_TABLE: 0x1f,
  END: 0x0b,
  MEMORY_GROW: 0x40,
  BULK: 0xfc,
} as const;

/** What an instruction's immediates are. */
const Shape = {
  UNKNOWN: 0,
  NONE: 1,
  ONE: 2,
  TWO: 3,
  BLOCK: 4,
  MEMORY: 5,
  FOUR_BYTES: 6,
  EIGHT_BYTES: 7,
  OTHER: 8,
} as const;

const SHAPES = shapes();

function shapes(): Uint8Array {
  const table = new Uint8Array(256);
  const set = (shape: number, ...ranges: readonly (readonly [from: number, to: number])[]): void => {
    for (const [from, to] of ranges) table.fill(shape, from, to + 1);
  };
  // unreachable, nop, else, throw_ref, end, return, catch_all, drop, select, numeric instructions, ref.is_null, ref.as_non_null
  set(Shape.NONE, [0x00, 0x01], [0x05, 0x05], [0x0a, 0x0b], [0x0f, 0x0f], [0x19, 0x1b], [0x45, 0xc4]);
  set(Shape.NONE, [0xd1, 0xd1], [0xd4, 0xd4]);
  // catch, throw, rethrow, br, br_if, call, return_call, call_ref, return_call_ref, delegate
  set(Shape.ONE, [0x07, 0x09], [0x0c, 0x0d], [0x10, 0x10], [0x12, 0x12], [0x14, 0x15], [0x18, 0x18]);
  // Variables and tables, memory.size, memory.grow, i32.const, i64.const, ref.null, ref.func, br_on_null, br_on_non_null
  set(Shape.ONE, [0x20, 0x26], [0x3f, 0x42], [0xd0, 0xd0], [0xd2, 0xd2], [0xd5, 0xd6]);
  set(Shape.TWO, [0x11, 0x11], [0x13, 0x13]);
  set(Shape.BLOCK, [0x02, 0x04], [0x06, 0x06]);
  set(Shape.MEMORY, [0x28, 0x3e]);
  set(Shape.FOUR_BYTES, [0x43, 0x43]);
  set(Shape.EIGHT_BYTES, [0x44, 0x44]);
  // br_table, select with types, try_table, and the prefixes for bulk memory, SIMD and atomics
  set(Shape.OTHER, [0x0e, 0x0e], [0x1c, 0x1c], [0x1f, 0x1f], [0xfc, 0xfe]);
  return table;
}

/** Of the instructions after the prefix 0xfc that work on a range, the number is the last operand. */
const RANGES: ReadonlySet<number> = new Set([8, 10, 11, 12, 14, 15, 17]);

/** Skips what follows the opcode. @returns whether it is an instruction that works on a range of any length */
export function skipImmediates(reader: Reader, opcode: number): boolean {
  switch (SHAPES[opcode]) {
    case Shape.NONE:
      return false;
    case Shape.ONE:
      reader.skipNumber();
      return false;
    case Shape.TWO:
      reader.skipNumbers(2);
      return false;
    case Shape.BLOCK:
      reader.skipBlockType();
      return false;
    case Shape.MEMORY:
      skipMemoryArgument(reader);
      return false;
    case Shape.FOUR_BYTES:
      reader.skip(4);
      return false;
    case Shape.EIGHT_BYTES:
      reader.skip(8);
      return false;
    case Shape.OTHER:
      return skipOther(reader, opcode);
    default:
      throw unsupported(opcode === 0xfb ? "garbage collection" : `the instruction 0x${opcode.toString(16)}`);
  }
}

function skipOther(reader: Reader, opcode: number): boolean {
  switch (opcode) {
    case 0x0e:
      reader.skipNumbers(reader.count() + 1);
      return false;
    case 0x1c:
      for (let left = reader.count(); left > 0; left--) reader.skipValueType();
      return false;
    case Op.TRY_TABLE:
      skipCatches(reader);
      return false;
    case Op.BULK:
      return skipBulk(reader);
    case 0xfd:
      skipSimd(reader);
      return false;
    default:
      skipAtomic(reader);
      return false;
  }
}

/** Alignment, the index of a memory where bit 6 of it is set, and an offset. */
function skipMemoryArgument(reader: Reader): void {
  const alignment = reader.u32();
  if ((alignment & 0x40) !== 0) reader.skipNumber();
  reader.skipNumber();
}

function skipCatches(reader: Reader): void {
  reader.skipBlockType();
  for (let left = reader.count(); left > 0; left--) {
    const kind = reader.byte();
    if (kind > 3) throw damaged("a catch clause of an unknown kind");
    reader.skipNumbers(kind < 2 ? 2 : 1);
  }
}

function skipBulk(reader: Reader): boolean {
  const code = reader.u32();
  if (code > 17) throw unsupported(`the instruction 0xfc ${code}`);
  // Saturating conversions have no immediates; memory.init, memory.copy, table.init and table.copy have two.
  if (code > 7) reader.skipNumbers(code === 8 || code === 10 || code === 12 || code === 14 ? 2 : 1);
  return RANGES.has(code);
}

function skipSimd(reader: Reader): void {
  const code = reader.u32();
  if (code <= 11 || code === 92 || code === 93) skipMemoryArgument(reader);
  else if (code <= 13) reader.skip(16);
  else if (code >= 21 && code <= 34) reader.skip(1);
  else if (code >= 84 && code <= 91) {
    skipMemoryArgument(reader);
    reader.skip(1);
  } else if (code > 0x113) throw unsupported(`the instruction 0xfd ${code}`);
}

function skipAtomic(reader: Reader): void {
  const code = reader.u32();
  if (code === 3) reader.skip(1);
  else if (code <= 0x4e) skipMemoryArgument(reader);
  else throw unsupported(`the instruction 0xfe ${code}`);
}
