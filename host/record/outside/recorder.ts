/** Owns recording what a program uses of Node besides its backend. Knows the hooks and the journal; knows no backend. */

import { Kind } from "../calls.js";
import type { Journal } from "../journal.js";
import { Contents } from "./contents.js";
import { type Outcome, original, type Outside } from "./answer.js";
import type { Hashed } from "../values.js";
import { Random } from "./random.js";
import { argumentValues, filledOf, keptArguments, outcomeValue } from "./values.js";

/** Answers the hooks as Node does, and records it. */
export class OutsideRecorder implements Outside {
  readonly #journal: Journal;
  readonly #rest: () => void;
  readonly #random: Random;
  readonly #contents = new Contents();
  #calls = 0;
  #timers = 0;
  #nowMs = 0;
  #asked = 0;

  /** @param rest called after each record */
  constructor(journal: Journal, seed: readonly number[], rest: () => void) {
    this.#journal = journal;
    this.#random = new Random(seed);
    this.#rest = rest;
  }

  now(): number {
    const nowMs = original.now();
    this.#asked += 1;
    if (nowMs !== this.#nowMs) {
      this.#journal.date(this.#asked, nowMs - this.#nowMs);
      this.#nowMs = nowMs;
      this.#asked = 0;
    }
    return nowMs;
  }

  random(): number {
    return this.#random.next();
  }

  call(name: string, args: readonly unknown[], perform: () => unknown): unknown {
    const given = argumentValues(name, args);
    try {
      const result = perform();
      this.#note(Kind.FILE, 0, name, given, args, { values: [result] });
      return result;
    } catch (error) {
      this.#note(Kind.FILE, 0, name, given, args, { error, values: [] });
      throw error;
    }
  }

  begin(
    name: string,
    args: readonly unknown[],
    perform: (done: (outcome: Outcome) => void) => void,
    settle: (outcome: Outcome) => void,
  ): void {
    // Before the call: the program may change its options while the call is under way. Bytes are not copied.
    const given = argumentValues(name, args);
    const id = ++this.#calls;
    try {
      perform((outcome) => {
        this.#note(Kind.FILE_DONE, id, name, given, args, outcome);
        settle(outcome);
      });
    } catch (error) {
      this.#note(Kind.FILE, id, name, given, args, { error, values: [] });
      throw error;
    }
  }

  timer<T extends object>(fire: (self: unknown) => void, arm: (call: (self: unknown) => void, never: boolean) => T): T {
    const id = ++this.#timers;
    return arm((self) => {
      this.#journal.timer(id);
      this.#rest();
      fire(self);
    }, false);
  }

  cleared(): void {
    // Node knows.
  }

  #note(
    kind: number,
    id: number,
    name: string,
    given: readonly unknown[],
    args: readonly unknown[],
    outcome: Outcome,
  ): void {
    const filled = outcome.error === undefined ? filledOf(name, args, outcome.values[0]) : undefined;
    const place = filled === undefined ? undefined : this.#contents.find(filled);
    const kept = (text: string): string | Hashed => this.#journal.text(text);
    const recorded = outcomeValue(name, outcome, kept);
    this.#journal.outside(kind, id, name, keptArguments(name, given, kept), recorded, place ?? filled);
    this.#rest();
  }
}
