/**
 * Owns comparing two recordings of guests: call by call, up to the first difference. Knows the records and the layouts of calls;
 * knows no file, and runs no guest.
 */

import { hashOf } from "../../record/hash.js";
import { Flag, RecordingError } from "../../record/format.js";
import type { Fields, RecordingReader } from "../../record/reader.js";
import { ERRNO_SUCCESS } from "../../wasi/errno-numbers.js";
import { bytesText, digestOf, ExpectedCalls, word } from "./expected.js";
import { ENTERED, GuestEnd, guestDetails, GuestRecord, UNCOMPARED } from "./format.js";
import { type CallLayout, layoutOf, VARIED } from "./layouts.js";
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

/** Outputs whose contents a recording may have left out. */
const MAY_BE_LEFT_OUT: ReadonlySet<string | undefined> = new Set(["vector", "strings", "filled"]);

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
 * and the addresses of sockets have answered. Contents that one of the two has left out are compared by their hash.
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
  /** Are contents there, and not hashes of them? */
  readonly #hasReceived: boolean;

  constructor(reader: RecordingReader) {
    this.#reader = reader;
    this.#hasReceived = (reader.header.flags & Flag.NO_PAYLOADS) === 0;
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
    if (errno === ERRNO_SUCCESS && !VARIED.has(name)) return this.#answered(name, text, layout, fields);
    const left = fields.rest();
    return { name, text: withContents(text, left), key: `${text} ${keyOf(left)}` };
  }

  #answered(name: string, text: string, layout: CallLayout, fields: Fields): Step {
    const hash = layout.sent === undefined ? undefined : fields.uint32();
    const { at } = fields;
    for (const [, bytes] of layout.values) {
      if (bytes === 4) word(fields);
      else fields.bytesOf(bytes);
    }
    if (layout.output?.kind === "strings") for (let count = word(fields); count > 0; count--) fields.uint32();
    const values = keyOf(fields.bytes.subarray(at, fields.at));
    const contents = fields.rest();
    if (hash !== undefined) {
      // The contents are there in a recording that keeps them, and are those of the hash.
      const sent = `${text}, sent with the hash ${hash.toString(16).padStart(8, "0")}`;
      return { name, text: sent, key: `${sent} ${values}` };
    }
    const areThere = this.#hasReceived || !MAY_BE_LEFT_OUT.has(layout.output?.kind);
    const digest = digestOf(contents, areThere).toString(16).padStart(8, "0");
    const shown = areThere ? withContents(text, contents) : `${text}, contents with the hash ${digest}`;
    return { name, text: shown, key: `${text} ${values} ${digest}` };
  }
}

function withContents(text: string, contents: Uint8Array): string {
  return contents.length === 0 ? text : `${text}, ${bytesText(contents)}`;
}

const keyOf = (bytes: Uint8Array): string => `${bytes.length} ${hashOf(bytes)}`;

function endText(fields: Fields): string {
  const reason = fields.varint();
  if (reason === GuestEnd.EXIT) return `the guest exits with status ${fields.varint()}`;
  return reason === GuestEnd.TRAP ? `the guest traps: ${bytesText(fields.rest())}` : "the host ends the guest";
}
