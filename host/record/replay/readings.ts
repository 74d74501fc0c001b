/**
 * Owns the monotonic clock of a replay: what it says, and which readings were passed over before the program came to them.
 * Knows no record but theirs.
 */

import { Kind } from "../calls.js";
import type { Fields } from "../reader.js";

/** So many readings are kept. A program that reads the clock less often than it did never comes to them. */
const KEPT_MAX = 1000;

export class Readings {
  /** What the first half of a turn reads: as it was read before the record that comes next. */
  turnNs: number;
  /** What the program read last. */
  #nowNs: number;
  /** Of the last record. */
  #lastNs: number;
  readonly #passed: number[] = [];

  constructor(beganNs: number) {
    this.turnNs = beganNs;
    this.#nowNs = beganNs;
    this.#lastNs = beganNs;
  }

  /** Is a reading kept that the program has not made? */
  get isAny(): boolean {
    return this.#passed.length > 0;
  }

  /** @param fields of a record. @throws RecordingError for what is none */
  keep(kind: number, fields: Fields): void {
    this.#lastNs += fields.signed();
    if (kind === Kind.TURN_TIME) {
      this.turnNs = this.#lastNs;
      return;
    }
    this.#passed.push(this.#lastNs);
    if (this.#passed.length > KEPT_MAX) this.#nowNs = this.#passed.shift() ?? this.#nowNs;
  }

  /** The program reads the clock. Where the recording has no reading here it says what it said last. */
  next(): number {
    this.#nowNs = this.#passed.shift() ?? this.#nowNs;
    return this.#nowNs;
  }

  /** What follows came after the readings that were kept. */
  pass(): void {
    this.#nowNs = this.#passed.pop() ?? this.#nowNs;
    this.#passed.length = 0;
  }
}
