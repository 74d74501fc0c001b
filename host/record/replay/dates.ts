/** Owns the dates of a replay: what `Date.now` says, and which dates of the recording are to come. Knows no record but theirs. */

import { RecordingError } from "../format.js";
import type { Fields } from "../reader.js";

/** What a `Date` takes. */
const DATE_MAX_MS = 8.64e15;

export class Dates {
  /** What `Date.now` said last, and how often it was asked for since it changed. */
  #nowMs = 0;
  #asked = 0;
  /** After how many calls since the date before, and what it says then. */
  readonly #coming: { readonly asked: number; readonly nowMs: number }[] = [];
  /** The last of those. */
  #lastMs = 0;

  /** How many are to come. */
  get coming(): number {
    return this.#coming.length;
  }

  /** @param fields of a record. @throws RecordingError for what no call can have given */
  keep(fields: Fields): void {
    const asked = fields.varint();
    const nowMs = this.#lastMs + fields.signed();
    if (!fields.isAtEnd) throw new RecordingError("damaged: a record has more fields than it should");
    if (asked === 0 || Math.abs(nowMs) > DATE_MAX_MS) throw new RecordingError("damaged: a date that cannot be");
    this.#coming.push({ asked, nowMs });
    this.#lastMs = nowMs;
  }

  /**
   * One more call. A program that asks more often than it did gets a date later than at its call, and not never.
   * @param find looks for one in the recording, where none is known
   */
  next(find: () => void): number {
    this.#asked += 1;
    if (this.#coming.length === 0) find();
    const [date] = this.#coming;
    if (date === undefined || date.asked > this.#asked) return this.#nowMs;
    this.#coming.shift();
    this.#asked = 0;
    this.#nowMs = date.nowMs;
    return date.nowMs;
  }
}
