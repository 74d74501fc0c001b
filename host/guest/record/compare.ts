/**
 * Owns comparing two recordings of guests: call by call, up to the first difference. Knows the records and the layouts of calls;
 * knows no file, and runs no guest.
 */

import { hashOf } from "../../record/hash.js";
import { RecordingError } from "../../record/format.js";
import type { Fields, RecordingReader } from "../../record/reader.js";
import { ERRNO_SUCCESS } from "../../wasi/errno-numbers.js";
import { bytesText, ExpectedCalls } from "./expected.js";
import { ENTERED, GuestEnd, guestDetails, GuestRecord, UNCOMPARED } from "./format.js";
import { layoutOf, VARIED } from "./layouts.js";
import type { Difference } from "./outcome.js";

export type Comparison =
  | { readonly kind: "same"; readonly calls: number; readonly turns: number }
  | { readonly kind: "different"; readonly difference: Difference };

/** What these answer is another in each run: times, random bytes, ports that the system has chosen. */
const ANSWERS_VARY: ReadonlySet<string> = new Set([
  "clock_time_get",
  "random_get",
  "sock_getlocaladdr",
  "sock_getpeeraddr",
  "sock_recv_from",
]);

/** What is compared of one record. */
interface Step {
  readonly name: string;
  /** What it has, as text. */
  readonly text: string;
  /** Steps with the same key do not differ. */
  readonly key: string;
}

const OVER: Step = { name: "", text: "the end of the recording", key: "end" };

/**
 * Where two recordings of guests differ first. Left out are timeouts, hashes of memory, and what the clock, the random generator
 * and the addresses of sockets have answered.
 * @throws RecordingError for what is damaged, or no recording of a guest
 */
export function compareGuests(one: RecordingReader, other: RecordingReader): Comparison {
  const [left, right] = [new Side(one), new Side(other)];
  while (true) {
    const [expected, found] = [left.next(), right.next()];
    if (expected.key !== found.key) {
      const { calls: call, turns: turn } = left;
      const name = expected.name === "" ? found.name : expected.name;
      const difference = { call, turn, name, expected: expected.text, found: found.text, frames: [] };
      return { kind: "different", difference };
    }
    if (expected === OVER) return { kind: "same", calls: left.calls, turns: left.turns };
  }
}

class Side {
  calls = 0;
  turns = 0;
  readonly #reader: RecordingReader;
  readonly #calls: readonly ExpectedCalls[];

  constructor(reader: RecordingReader) {
    this.#reader = reader;
    this.#calls = guestDetails(reader.header).functions.map((name) => new ExpectedCalls(name));
  }

  next(): Step {
    const reader = this.#reader;
    while (reader.next()) {
      if (reader.kind !== GuestRecord.HASH && !UNCOMPARED.has(reader.kind))
        return this.#step(reader.kind, reader.fields);
    }
    return OVER;
  }

  #step(kind: number, fields: Fields): Step {
    switch (kind) {
      case GuestRecord.ENTER: {
        const name = ENTERED[fields.varint()] ?? "";
        const text = `the host calls ${name === "" ? "the start function" : name}`;
        return { name, text, key: text };
      }
      case GuestRecord.LEAVE: {
        const text = `the export returns ${fields.varint()}`;
        return { name: "", text, key: text };
      }
      case GuestRecord.END: {
        const text = endText(fields);
        return { name: "", text, key: text };
      }
      default:
        return this.#call(kind - GuestRecord.CALL, fields);
    }
  }

  #call(place: number, fields: Fields): Step {
    const call = this.#calls[place];
    if (call === undefined) throw new RecordingError(`damaged: a record of kind ${place + GuestRecord.CALL}`);
    const { name } = call;
    const layout = layoutOf(name, Infinity);
    this.calls += 1;
    if (name === "poll_oneoff") this.turns += 1;
    call.read(fields);
    const given = [call.text(layout)];
    for (const { kind } of layout.inputs) {
      // Subscriptions have timeouts in them, which the clock decides.
      if (kind === "subscriptions") fields.uint32();
      else given.push(bytesText(fields.bytesOf(fields.varint())));
    }
    if (name === "proc_exit") return { name, text: given.join(" "), key: given.join(" ") };
    const errno = fields.varint();
    const text = `${given.join(" ")} = ${errno}`;
    if (ANSWERS_VARY.has(name)) return { name, text, key: text };
    if (errno === ERRNO_SUCCESS && layout.sent !== undefined) {
      const hash = fields.uint32();
      const sent = `${text}, sent with the hash ${hash.toString(16).padStart(8, "0")}`;
      return { name, text: sent, key: `${sent} ${keyOf(fields.rest())}` };
    }
    const key = `${text} ${keyOf(fields.bytes.subarray(fields.at, fields.end))}`;
    if (errno === ERRNO_SUCCESS && !VARIED.has(name)) {
      for (const [, bytes] of layout.values) {
        if (bytes === 4) fields.varint();
        else fields.bytesOf(bytes);
      }
    }
    const answer = fields.rest();
    return { name, text: answer.length === 0 ? text : `${text}, ${bytesText(answer)}`, key };
  }
}

const keyOf = (bytes: Uint8Array): string => `${bytes.length} ${hashOf(bytes)}`;

function endText(fields: Fields): string {
  const reason = fields.varint();
  if (reason === GuestEnd.EXIT) return `the guest exits with status ${fields.varint()}`;
  return reason === GuestEnd.TRAP ? `the guest traps: ${bytesText(fields.rest())}` : "the host ends the guest";
}
