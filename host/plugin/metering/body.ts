/**
 * Owns what is put into a function: a charge at its entry, at the head of each loop, and before each instruction that works
 * on a range. Knows the instructions; knows no section.
 *
 * A charge subtracts from a global and calls a function when that is below zero. It has a weight: one for every 64 bytes of
 * code that may run until the next charge, because straight code of any length would otherwise run for one. A small function
 * that calls nothing and has no loop is not charged: its caller's charge covers it.
 */

import { Op, skipImmediates } from "./instructions.js";
import { damaged, type Reader } from "./reader.js";
import type { Writer } from "./writer.js";

/** Indices in the module that is written. */
export interface Charging {
  readonly global: number;
  /** Called, without arguments, when the global is below zero. */
  readonly check: number;
}

/** Code bytes that one unit pays for: some tens of instructions. */
const BYTES_SHIFT = 6;
/** The bytes of a range that one unit pays for. They are copied several times faster than instructions run. */
const RANGE_SHIFT = 6;
/** Growing a memory is a system call. */
const GROW_WEIGHT = 1000;
/** Throwing looks for a handler, and takes microseconds. */
const THROW_WEIGHT = 100;
const FREE_BYTES = 256;

const I32 = 0x7f;
const EMPTY = 0x40;

const Kind = { FIXED: 0, RANGE: 1 } as const;

/** Where something is put in, what, and its weight; in the order of the code. One for a module, used again. */
class Insertions {
  readonly at: number[] = [];
  readonly kind: number[] = [];
  readonly weight: number[] = [];

  clear(): void {
    this.at.length = 0;
    this.kind.length = 0;
    this.weight.length = 0;
  }

  /** @returns its index */
  add(at: number, kind: number, weight: number): number {
    this.at.push(at);
    this.kind.push(kind);
    return this.weight.push(weight) - 1;
  }
}

export class BodyMeter {
  readonly #charging: Charging;
  readonly #insertions = new Insertions();
  /** Of each open block: the insertion of the loop that it is, or -1. */
  readonly #blocks: number[] = [];
  #hasRange = false;
  #localsAt = 0;
  #groups = 0;
  #locals = 0;

  constructor(charging: Charging) {
    this.#charging = charging;
  }

  /**
   * Writes a function's body, without its size.
   * @param reader of the body alone
   * @param marks is given pairs: a position in what is written, and where that comes from in the source
   */
  meter(reader: Reader, parameters: number, writer: Writer, marks?: number[]): void {
    this.#scan(reader);
    this.#write(reader, parameters, writer, marks);
  }

  #scan(reader: Reader): void {
    const insertions = this.#insertions;
    const blocks = this.#blocks;
    insertions.clear();
    blocks.length = 0;
    this.#hasRange = false;
    this.#skipLocals(reader);
    const start = reader.at;
    const entry = insertions.add(start, Kind.FIXED, 0);
    let isFree = true;
    blocks.push(-1);
    while (blocks.length > 0) {
      const at = reader.at;
      const opcode = reader.byte();
      const isRange = skipImmediates(reader, opcode);
      switch (opcode) {
        case Op.LOOP:
          blocks.push(insertions.add(reader.at, Kind.FIXED, 0));
          isFree = false;
          break;
        case Op.BLOCK:
        case Op.IF:
        case Op.TRY:
        case Op.TRY_TABLE:
          blocks.push(-1);
          break;
        case Op.END:
        case Op.DELEGATE: {
          const loop = blocks.pop() ?? -1;
          if (loop >= 0) insertions.weight[loop] = weightOf(at - (insertions.at[loop] ?? 0));
          break;
        }
        case Op.MEMORY_GROW:
          insertions.add(at, Kind.FIXED, GROW_WEIGHT);
          break;
        case Op.THROW:
        case Op.RETHROW:
        case Op.THROW_REF:
          insertions.add(at, Kind.FIXED, THROW_WEIGHT);
          break;
        default:
          if (isRange) {
            insertions.add(at, Kind.RANGE, 0);
            this.#hasRange = true;
          } else if (opcode >= Op.CALL && opcode <= Op.RETURN_CALL_REF) isFree = false;
      }
    }
    if (!reader.isAtEnd) throw damaged("a function goes on after its end");
    const length = reader.at - start;
    insertions.weight[entry] = isFree && length < FREE_BYTES ? 0 : weightOf(length);
  }

  #skipLocals(reader: Reader): void {
    this.#groups = reader.count();
    this.#localsAt = reader.at;
    this.#locals = 0;
    for (let left = this.#groups; left > 0; left--) {
      this.#locals += reader.u32();
      reader.skipValueType();
    }
  }

  #write(reader: Reader, parameters: number, writer: Writer, marks: number[] | undefined): void {
    const { at, kind, weight } = this.#insertions;
    const { bytes } = reader;
    const start = at[0] ?? 0;
    const length = parameters + this.#locals;
    writer.u32(this.#groups + Number(this.#hasRange));
    writer.range(bytes, this.#localsAt, start);
    if (this.#hasRange) {
      writer.byte(1);
      writer.byte(I32);
    }
    let copied = start;
    for (let index = 0; index < at.length; index++) {
      const to = at[index] ?? 0;
      marks?.push(writer.length, copied);
      writer.range(bytes, copied, to);
      copied = to;
      if (kind[index] === Kind.RANGE) this.#writeRange(writer, length);
      else this.#writeCharge(writer, weight[index] ?? 0);
    }
    marks?.push(writer.length, copied);
    writer.range(bytes, copied, reader.end);
  }

  #writeCharge(writer: Writer, weight: number): void {
    if (weight === 0) return;
    const { global } = this.#charging;
    writer.byte(0x23); // global.get
    writer.u32(global);
    writer.byte(0x41); // i32.const
    writer.s32(weight);
    this.#writeSubtraction(writer);
  }

  /** The length of the range is the last operand: it is kept in a local of its own meanwhile. */
  #writeRange(writer: Writer, length: number): void {
    writer.byte(0x21); // local.set
    writer.u32(length);
    writer.byte(0x23); // global.get
    writer.u32(this.#charging.global);
    writer.byte(0x20); // local.get
    writer.u32(length);
    writer.byte(0x41); // i32.const
    writer.s32(RANGE_SHIFT);
    writer.byte(0x76); // i32.shr_u
    this.#writeSubtraction(writer);
    writer.byte(0x20); // local.get
    writer.u32(length);
  }

  #writeSubtraction(writer: Writer): void {
    const { global, check } = this.#charging;
    writer.byte(0x6b); // i32.sub
    writer.byte(0x24); // global.set
    writer.u32(global);
    writer.byte(0x23); // global.get
    writer.u32(global);
    writer.byte(0x41); // i32.const
    writer.byte(0);
    writer.byte(0x48); // i32.lt_s
    writer.byte(Op.IF);
    writer.byte(EMPTY);
    writer.byte(Op.CALL);
    writer.u32(check);
    writer.byte(Op.END);
  }
}

function weightOf(bytes: number): number {
  return 1 + (bytes >> BYTES_SHIFT);
}
