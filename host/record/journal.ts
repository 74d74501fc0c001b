/**
 * Owns what is written for each call of a backend. Knows the kinds of records and their bytes; knows no backend. Each of its
 * methods costs every call of the program: what can be left to the flush is.
 */

import type { PollSet } from "../backend/backend.js";
import { ReadyRow } from "../backend/polling.js";
import { type CallForm, Kind } from "./calls.js";
import { hashOf } from "./hash.js";
import type { RecordPlan } from "./options.js";
import { Hashed, ValueBuffer } from "./values.js";
import type { RecordBuffer } from "./writer.js";

/** In a record of TURN: no microtask has run since the turn before. */
export const TURN_FOLLOWS = 1;
/** In a row of WAIT, besides the bits of readiness: an error and a number of bytes follow. */
export const ROW_IS_LONG = 0x80;
/** In a short record: in place of the contents is their hash. */
export const NO_BYTES = new Uint8Array(0);

/** The bound of a short record without its contents: four numbers and a hash. */
const SHORT_MAX = 36;
const ROW_MAX = 20;

export class Journal {
  /** Where records go. */
  readonly writer: RecordBuffer;
  /** The monotonic clock as it was read last. */
  nowNs: number;
  calls = 0;
  turns = 0;
  readonly #plan: RecordPlan;
  readonly #values: ValueBuffer;
  readonly #keepReceived = (data: Uint8Array): Uint8Array | Hashed => this.#kept(data, this.#plan.payloads);
  readonly #keepSent = (data: Uint8Array): Uint8Array | Hashed => this.#kept(data, this.#plan.sent);

  constructor(writer: RecordBuffer, plan: RecordPlan, nowNs: number) {
    this.writer = writer;
    this.#plan = plan;
    this.#values = new ValueBuffer(writer.recordMax);
    this.nowNs = nowNs;
  }

  /** The clock was read: a record of CLOCK or TURN_TIME. */
  clock(kind: number, nowNs: number): void {
    const { writer } = this;
    writer.open(kind, 8);
    // A clock of a simulated host may be set back by its test.
    writer.signed(nowNs - this.nowNs);
    writer.close();
    this.nowNs = nowNs;
  }

  /** A time that the program does not know of: since the clock was read last. */
  tick(nowNs: number): void {
    const { writer } = this;
    writer.open(Kind.TICK, 8);
    writer.signed(nowNs - this.nowNs);
    writer.close();
  }

  turn(set: number, follows: boolean): void {
    const { writer } = this;
    this.turns += 1;
    writer.open(Kind.TURN, 9);
    writer.varint(set);
    writer.byte(follows ? TURN_FOLLOWS : 0);
    writer.close();
  }

  turnEnd(set: number): void {
    const { writer } = this;
    writer.open(Kind.TURN_END, 8);
    writer.varint(set);
    writer.close();
  }

  wait(set: number, count: number, { ready }: PollSet): void {
    const { writer } = this;
    writer.open(Kind.WAIT, 16 + Math.max(0, count) * ROW_MAX);
    writer.varint(set);
    writer.signed(count);
    for (let i = 0, at = 0; i < count; i++, at += ReadyRow.STRIDE) {
      const bits = ready[at + ReadyRow.BITS] ?? 0;
      const error = ready[at + ReadyRow.ERROR] ?? 0;
      const readable = ready[at + ReadyRow.READABLE] ?? 0;
      writer.varint(ready[at + ReadyRow.FD] ?? 0);
      if (error === 0 && readable === -1) {
        writer.byte(bits);
        continue;
      }
      writer.byte(bits | ROW_IS_LONG);
      writer.signed(error);
      writer.signed(readable);
    }
    writer.close();
  }

  /** A call that receives: `count` bytes of `data`, or -errno. */
  received(kind: number, fd: number, most: number, count: number, data: Uint8Array): void {
    const { writer } = this;
    const { payloads, blank } = this.#plan;
    const length = count > 0 ? count : 0;
    this.calls += 1;
    writer.open(kind, payloads ? length + SHORT_MAX : SHORT_MAX);
    writer.varint(fd);
    writer.varint(most);
    writer.signed(count);
    if (length > 0) {
      if (payloads && blank === undefined) writer.bytes(data, length);
      else this.#receivedOtherwise(length === data.length ? data : data.subarray(0, length));
    }
    writer.close();
  }

  #receivedOtherwise(data: Uint8Array): void {
    const blanked = this.#plan.blank?.(data) ?? data;
    if (this.#plan.payloads) this.writer.bytes(blanked, blanked.length);
    else this.writer.uint32(hashOf(blanked));
  }

  /** A call that sends `data`, with its result. */
  sent(kind: number, fd: number, data: Uint8Array, result: number): void {
    const { writer } = this;
    const { sent, blank } = this.#plan;
    const shown = blank === undefined ? data : blank(data);
    const { length } = shown;
    this.calls += 1;
    writer.open(kind, sent ? length + SHORT_MAX : SHORT_MAX);
    writer.varint(fd);
    writer.signed(result);
    writer.varint(length);
    if (sent) writer.bytes(shown, length);
    else writer.uint32(hashOf(shown));
    writer.close();
  }

  /** The same for several pieces, as if they were one. */
  sentAll(fd: number, pieces: readonly Uint8Array[], result: number): void {
    const [only] = pieces;
    if (pieces.length === 1 && only !== undefined) return this.sent(Kind.SEND_VECTOR, fd, only, result);
    this.sent(Kind.SEND_VECTOR, fd, joined(pieces), result);
  }

  closed(fd: number, result: number): void {
    const { writer } = this;
    this.calls += 1;
    writer.open(Kind.CLOSE, 16);
    writer.varint(fd);
    writer.signed(result);
    writer.close();
  }

  /**
   * Any other call. An argument that the call fills is recorded as its length, and what was put into it follows the result.
   * @param filled what the call has put into its target
   */
  call({ kind, target }: CallForm, args: readonly unknown[], result: unknown, filled: Uint8Array): void {
    const values = this.#values;
    this.calls += 1;
    values.clear();
    values.put(argumentsOf(args, target), this.#keepSent);
    values.put(result, this.#keepReceived);
    if (target !== undefined) values.put(filled, this.#keepReceived);
    this.#add(kind);
  }

  /** A call of node:fs. @param filled what was put into a buffer of the program, or the place in `Contents` that has the same */
  outside(
    kind: number,
    id: number,
    name: string,
    args: readonly unknown[],
    outcome: unknown,
    filled: Uint8Array | number | undefined,
  ): void {
    const values = this.#values;
    values.clear();
    values.put(id, this.#keepSent);
    values.put(name, this.#keepSent);
    values.put(args, this.#keepSent);
    values.put(outcome, this.#keepReceived);
    values.put(filled, this.#keepReceived);
    this.#add(kind);
  }

  /** What is kept of contents that the program has as a text. */
  text(text: string): string | Hashed {
    const { payloads, blank } = this.#plan;
    if (payloads && blank === undefined) return text;
    const kept = this.#kept(Buffer.from(text), payloads);
    return kept instanceof Hashed ? kept : Buffer.from(kept).toString();
  }

  timer(id: number): void {
    const { writer } = this;
    writer.open(Kind.TIMER, 8);
    writer.varint(id);
    writer.close();
  }

  /** @param asked how often it was asked for since the record before */
  date(asked: number, changeMs: number): void {
    const { writer } = this;
    writer.open(Kind.DATE, 16);
    writer.varint(asked);
    writer.signed(changeMs);
    writer.close();
  }

  /** A record of another kind: numbers, texts, addresses, results. */
  note(kind: number, ...parts: readonly unknown[]): void {
    const values = this.#values;
    values.clear();
    for (const part of parts) values.put(part, this.#keepReceived);
    this.#add(kind);
  }

  #add(kind: number): void {
    const { contents, isTooLong } = this.#values;
    if (isTooLong) return this.writer.dropped(new RangeError("the values of a record are too long"));
    this.writer.open(kind, contents.length);
    this.writer.bytes(contents, contents.length);
    this.writer.close();
  }

  #kept(data: Uint8Array, isKept: boolean): Uint8Array | Hashed {
    const blanked = this.#plan.blank?.(data) ?? data;
    return isKept ? blanked : Hashed.of(blanked);
  }
}

/** With the length of a target in its place. Arguments that were left out at the end are not counted. */
export function argumentsOf(args: readonly unknown[], target: number | undefined): readonly unknown[] {
  let count = args.length;
  while (count > 0 && args[count - 1] === undefined) count -= 1;
  return args.slice(0, count).map((each, index) => {
    if (index !== target) return each;
    return each instanceof Uint8Array ? each.length : typeof each;
  });
}

export function joined(pieces: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const piece of pieces) length += piece.length;
  const all = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}
