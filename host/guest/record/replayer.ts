/**
 * Owns answering a guest's calls from its recording: each is compared with the recorded one, and what that had written is
 * written into memory again. Runs in any JavaScript engine: knows no backend, no file and no clock.
 */

import { counted } from "../../backend/counted.js";
import { ERRNO_SUCCESS } from "../../wasi/errno-numbers.js";
import { Event, Subscription } from "../../wasi/layout.js";
import type { LinearMemory } from "../../wasi/poll-oneoff.js";
import { RecordingError } from "../../record/format.js";
import type { Fields, RecordingReader } from "../../record/reader.js";
import { endingError, GuestExit } from "../exit.js";
import { framesOf } from "../frames.js";
import type { GuestCalls } from "../instance.js";
import { GuestMemory } from "../memory.js";
import { bytesText, callText, ExpectedCalls, word } from "./expected.js";
import { GuestRecord, UNCOMPARED } from "./format.js";
import { hashMemory } from "./hash.js";
import { type CallLayout, type Input, layoutOf, type Output } from "./layouts.js";
import type { Difference, ReplayOptions } from "./outcome.js";
import {
  addressAt,
  bufferOf,
  bytesAt,
  hashSubscriptions,
  leftBehind,
  numberOf,
  type Parameter,
  storedAt,
  Vector,
} from "./values.js";

/** Why the guest was stopped before its end. */
export type Stopped =
  | { readonly kind: "different"; readonly difference: Difference }
  | { readonly kind: "until" | "cut off" }
  | { readonly kind: "failed"; readonly error: unknown };

/** Leaves the guest from within a call. */
class Stop {
  readonly reason: Stopped;

  constructor(reason: Stopped) {
    this.reason = reason;
  }
}

export class Replayer implements GuestCalls {
  readonly imports: Readonly<Record<string, (...parameters: Parameter[]) => number>>;
  calls = 0;
  turns = 0;
  /** Is set when the guest was stopped: nothing that it does afterwards means anything. */
  stopped: Stopped | undefined;
  exit: GuestExit | undefined;
  /** Where the record begins that was found last; undefined while the next one is looked for. */
  place: number | undefined;
  /** By how many bytes code is further back than in the guest's own bytes. */
  shift = 0;
  readonly #reader: RecordingReader;
  readonly #options: ReplayOptions;
  readonly #memory = new GuestMemory();
  readonly #vector = new Vector();
  readonly #expected: readonly ExpectedCalls[];
  /** Has {@link peek} found a record that is not taken? */
  #isPeeked = false;

  /** @throws RecordingError */
  constructor(reader: RecordingReader, functions: readonly string[], options: ReplayOptions) {
    this.#reader = reader;
    this.#options = options;
    this.#expected = functions.map((name) => new ExpectedCalls(name));
    this.imports = Object.fromEntries(
      functions.map((name) => [name, (...parameters: Parameter[]) => this.#call(name, parameters)]),
    );
  }

  attach(memory: LinearMemory): void {
    this.#memory.attach(memory);
  }

  /** The kind of the next record; undefined at the end of the recording. @throws RecordingError */
  peek(): number | undefined {
    if (!this.#isPeeked) {
      this.place = undefined;
      do if (!this.#reader.next()) return undefined;
      while (UNCOMPARED.has(this.#reader.kind));
      this.#isPeeked = true;
      this.place = this.#reader.position;
    }
    return this.#reader.kind;
  }

  /** The fields of the record that was found. */
  take(): Fields {
    this.#isPeeked = false;
    return this.#reader.fields;
  }

  /** Does the recording end here, and as it should? @throws RecordingError where something follows, or is damaged */
  isWhole(): boolean {
    if (this.peek() !== undefined) throw new RecordingError("damaged: something follows the end of the guest");
    return this.#reader.ending === "whole";
  }

  /** What a record says that is not what the guest has done. */
  nextText(): string {
    const kind = this.peek();
    switch (kind) {
      case undefined:
        return "the end of the recording";
      case GuestRecord.ENTER:
        return "a call of one of its exports";
      case GuestRecord.LEAVE:
        return "the return of the export that was called";
      case GuestRecord.END:
        return "the end of the guest";
      case GuestRecord.HASH:
        return "poll_oneoff";
      default: {
        const expected = this.#expected[kind - GuestRecord.CALL];
        if (expected === undefined) throw new RecordingError(`damaged: a record of kind ${kind}`);
        expected.read(this.take());
        return expected.text(layoutOf(expected.name, Infinity));
      }
    }
  }

  /** A difference at this place. @param at an error with the stack, where the guest is running */
  difference(name: string, expected: string, found: string, at?: Error): Stopped {
    const frames = at === undefined ? [] : framesOf(at, this.shift);
    return {
      kind: "different",
      difference: { call: this.calls, turn: this.turns, name, expected, found, frames },
    };
  }

  #call(name: string, parameters: readonly Parameter[]): number {
    try {
      if (this.stopped !== undefined) throw new Stop(this.stopped);
      return this.#answer(name, parameters);
    } catch (error) {
      if (this.exit !== undefined) throw endingError(this.exit);
      this.stopped ??= error instanceof Stop ? error.reason : { kind: "failed", error };
      // A guest may catch what JavaScript throws; it cannot catch this.
      throw endingError(new GuestExit(0));
    }
  }

  #answer(name: string, parameters: readonly Parameter[]): number {
    this.calls++;
    if (name === "poll_oneoff") this.#beginTurn();
    const layout = layoutOf(name, parameters.length);
    const vector = this.#vector;
    if (layout.vector !== undefined) {
      const [at, count] = layout.vector;
      vector.read(this.#memory, numberOf(parameters[at]), numberOf(parameters[count]));
    }
    const found = (): string => callText(name, layout, parameters, vector.total);
    const kind = this.peek();
    if (kind === undefined) throw new Stop({ kind: "cut off" });
    const expected = this.#expected[kind - GuestRecord.CALL];
    if (expected?.name !== name) throw this.#different(name, this.nextText(), found());
    const fields = this.take();
    expected.read(fields);
    const isSame =
      expected.matches(parameters, this.#options.changed === true ? layout.pointers : 0) &&
      (layout.vector === undefined || expected.total === vector.total);
    if (!isSame) throw this.#different(name, expected.text(layout, parameters.length), found());
    for (const input of layout.inputs) this.#compareInput(name, input, parameters, fields);
    if (name === "proc_exit") {
      this.exit = new GuestExit(numberOf(parameters[0]));
      throw new Stop({ kind: "until" });
    }
    const errno = fields.varint();
    if (errno > 0xffff) throw new RecordingError("damaged: an errno is too large");
    if (errno === ERRNO_SUCCESS) this.#succeed(name, layout, parameters, fields);
    else put(leftBehind(this.#memory, layout.output, parameters, errno), fields.rest());
    if (!fields.isAtEnd) throw new RecordingError("damaged: a record is longer than its fields");
    return errno;
  }

  #beginTurn(): void {
    this.turns++;
    if (this.turns === this.#options.until) {
      this.#options.onTurn?.(this.turns, this.#hash());
      throw new Stop({ kind: "until" });
    }
    const isRecorded = this.peek() === GuestRecord.HASH;
    if (!isRecorded && this.#options.onTurn === undefined) return;
    const hash = this.#hash();
    this.#options.onTurn?.(this.turns, hash);
    if (!isRecorded) return;
    const recorded = hashText(this.take());
    if (recorded === hash || this.#options.changed === true) return;
    throw this.#different("memory", `memory with the hash ${recorded}`, `memory with the hash ${hash}`);
  }

  #hash(): string {
    return hashMemory(this.#memory.linear.buffer);
  }

  #different(name: string, expected: string, found: string): Stop {
    return new Stop(this.difference(name, expected, found, new Error("the stack")));
  }

  #compareInput(name: string, input: Input, parameters: readonly Parameter[], fields: Fields): void {
    const memory = this.#memory;
    const at = numberOf(parameters[input.at]);
    if (input.kind === "subscriptions") {
      const count = numberOf(parameters[input.count]);
      const recorded = fields.uint32() | 0;
      if (recorded === hashSubscriptions(memory, at, count)) return;
      throw this.#different(name, `${counted(count, "other subscription")}`, `${counted(count, "subscription")}`);
    }
    const bytes =
      input.kind === "address"
        ? addressAt(memory, at)
        : bytesAt(memory, at, numberOf(parameters[input.length]), input.max);
    const recorded = fields.bytesOf(fields.varint());
    if (isEqual(recorded, bytes)) return;
    throw this.#different(name, `${name} of ${bytesText(recorded)}`, `${name} of ${bytesText(bytes)}`);
  }

  /** Writes what the call has written. */
  #succeed(name: string, layout: CallLayout, parameters: readonly Parameter[], fields: Fields): void {
    const memory = this.#memory;
    const hash = layout.sent === undefined ? 0 : fields.uint32() | 0;
    // Where it is, is read before anything is written over it.
    const address = layout.address === undefined ? undefined : addressAt(memory, numberOf(parameters[layout.address]));
    for (const [parameter, bytes] of layout.values) {
      const at = numberOf(parameters[parameter]);
      if (bytes !== 4) put(bytesAt(memory, at, bytes), fields.bytesOf(bytes));
      else if (memory.has(at, 4)) memory.setUint32(at, word(fields));
      else throw new RecordingError("damaged: a value does not fit into memory");
    }
    if (address !== undefined) put(address, fields.bytesOf(fields.varint()));
    if (layout.sent !== undefined) this.#compareSent(name, hash, storedAt(memory, parameters[layout.sent]));
    const { output } = layout;
    if (output === undefined) {
      // What was sent, in a recording that has that: compared by its hash.
      if (layout.sent !== undefined) fields.rest();
      return;
    }
    if (output.kind === "vector") this.#receive(fields);
    else if (output.kind === "events") this.#happen(output, parameters, fields);
    else if (output.kind === "strings") this.#writeStrings(output, parameters, fields);
    else put(bufferOf(memory, output, parameters), fields.rest());
  }

  #compareSent(name: string, hash: number, length: number): void {
    const vector = this.#vector;
    if (length > vector.total) throw new RecordingError("damaged: more was sent than there was");
    const found = vector.hash(this.#memory, length);
    if (found === hash) return;
    const bytes = bytesAt(this.#memory, vector.at[0] ?? 0, Math.min(length, vector.lengths[0] ?? 0));
    const text = (value: number): string =>
      `${name} of ${counted(length, "byte")} with the hash ${(value >>> 0).toString(16)}`;
    throw this.#different(name, text(hash), `${text(found)}: ${bytesText(bytes)}`);
  }

  #receive(fields: Fields): void {
    const received = fields.rest();
    if (received.length > this.#vector.total)
      throw new RecordingError("damaged: more was received than there was room for");
    this.#vector.each(received.length, (at, length, before) => {
      put(bytesAt(this.#memory, at, length), received.subarray(before, before + length));
    });
  }

  #happen(output: Extract<Output, { kind: "events" }>, parameters: readonly Parameter[], fields: Fields): void {
    const memory = this.#memory;
    const events = numberOf(parameters[output.events]);
    const happened = storedAt(memory, parameters[output.count]);
    if (fields.varint() !== 0) return put(bytesAt(memory, events, happened * Event.SIZE), fields.rest());
    const subscriptions = numberOf(parameters[output.subscriptions]);
    const count = numberOf(parameters[output.subscribed]);
    if (!memory.has(subscriptions, count * Subscription.SIZE) || !memory.has(events, happened * Event.SIZE))
      throw new RecordingError("damaged: events do not fit into memory");
    const { view } = memory;
    for (let i = 0, at = events; i < happened; i++, at += Event.SIZE) {
      const place = fields.varint();
      if (place >= count) throw new RecordingError("damaged: an event of no subscription");
      const from = subscriptions + place * Subscription.SIZE;
      const error = word(fields);
      const bytes = word(fields);
      view.setBigUint64(at + Event.USERDATA, view.getBigUint64(from + Subscription.USERDATA, true), true);
      view.setUint32(at + Event.ERROR, (error >>> 1) | (view.getUint8(from + Subscription.TAG) << 16), true);
      view.setUint32(at + Event.NBYTES, bytes, true);
      view.setUint32(at + Event.NBYTES + 4, 0, true);
      view.setUint32(at + Event.FLAGS, error & 1, true);
    }
  }

  #writeStrings(output: Extract<Output, { kind: "strings" }>, parameters: readonly Parameter[], fields: Fields): void {
    const memory = this.#memory;
    const count = word(fields);
    const strings = numberOf(parameters[output.strings]);
    const addresses = numberOf(parameters[output.addresses]);
    if (!memory.has(addresses, Math.min(4 * count, 0xffff_ffff)))
      throw new RecordingError("damaged: strings do not fit into memory");
    for (let i = 0; i < count; i++) memory.setUint32(addresses + 4 * i, fields.uint32() + strings);
    const bytes = fields.rest();
    put(bytesAt(memory, strings, bytes.length), bytes);
  }
}

function put(target: Uint8Array, bytes: Uint8Array): void {
  if (target.length !== bytes.length) throw new RecordingError("damaged: what was written does not fit into memory");
  target.set(bytes);
}

function isEqual(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, i) => byte === right[i]);
}

/** @returns 16 hexadecimal digits */
export function hashText(fields: Fields): string {
  const high = fields.uint32().toString(16).padStart(8, "0");
  return high + fields.uint32().toString(16).padStart(8, "0");
}
