/**
 * Owns where a replay is in its recording: the record that comes next, the time, and the first difference. Knows the records;
 * knows no backend and no loop.
 *
 * Some records are not waited for. Readings of the clock depend on how often the host looked at it between two turns; the
 * end of a turn, a refused descriptor and the end of a poll set are skipped where something else is asked for.
 */

import { Kind } from "../calls.js";
import { Flag, RecordingError, RecordingKind } from "../format.js";
import { type Blanker, blanker } from "../options.js";
import type { Fields, RecordingReader } from "../reader.js";
import { readValue } from "../values.js";
import { recordText } from "./describe.js";
import { type DifferenceDetails, ReplayDifference, ReplayOver } from "./difference.js";

/** What a player reports. */
export interface PlayerEvents {
  /** The first difference. By default it is thrown, here and at each later call. */
  differs?: ((difference: ReplayDifference) => void) | undefined;
  /** The recording is over, and the program wants to know what comes next. */
  over?: (() => void) | undefined;
  /** Before each call that is replayed. */
  call?: ((name: string, fd: number | undefined) => void) | undefined;
  /** Before each turn that is replayed. */
  turn?: ((turn: number) => void) | undefined;
}

export class Player {
  readonly reader: RecordingReader;
  readonly fields: Fields;
  readonly hasSent: boolean;
  readonly blank: Blanker | undefined;
  /** The turns and calls so far, and the bytes that were received and sent in them. */
  turn = 0;
  calls = 0;
  bytesIn = 0;
  bytesOut = 0;
  /** Changes with each record that is used. */
  position = 0;
  nowNs: number;
  difference: ReplayDifference | undefined;
  isOver = false;
  readonly #events: PlayerEvents;
  #kind = 0;
  #bodyAt = 0;

  /** @throws RecordingError for a recording that cannot be replayed */
  constructor(reader: RecordingReader, events: PlayerEvents = {}) {
    const { header } = reader;
    if (header.kind !== RecordingKind.BACKEND)
      throw new RecordingError("a recording of a guest: replay it with the guest");
    if ((header.flags & Flag.STRETCH) !== 0) {
      throw new RecordingError("a flight recorder's recording begins in the middle: it can be read, and not replayed");
    }
    if ((header.flags & Flag.NO_PAYLOADS) !== 0) {
      throw new RecordingError("a recording without payloads: what the program received is not in it");
    }
    this.reader = reader;
    this.fields = reader.fields;
    this.hasSent = header.details["sent"] === true;
    this.blank = blanker(patternsOf(header.details["redact"]));
    this.nowNs = Number(header.monotonicNs);
    this.#events = events;
    this.#advance();
  }

  /** The kind of the next record that matters; 0 at the end. */
  get next(): number {
    while (isSkipped(this.#kind)) this.#pass();
    return this.#kind;
  }

  /** The monotonic clock: as it was read at this point, or last. */
  readClock(): number {
    if (this.#kind === Kind.TURN_END) this.#advance();
    if (this.#kind === Kind.CLOCK) this.#pass();
    return this.nowNs;
  }

  /** Was a descriptor refused here? @returns -errno, or 0 */
  refused(set: number, fd: number, interest: number): number {
    while (this.#kind === Kind.CLOCK || this.#kind === Kind.TURN_END) this.#pass();
    if (this.#kind !== Kind.UPDATE_FAILED) return 0;
    const { fields } = this;
    if (readValue(fields) === set && readValue(fields) === fd && readValue(fields) === interest) {
      const result = readValue(fields);
      this.#advance();
      return typeof result === "number" ? result : 0;
    }
    fields.at = this.#bodyAt;
    return 0;
  }

  /**
   * The program makes a call: the recording has to have it here. Its fields are to be read, and {@link used} to be called.
   * @param found the call as text, asked for where it differs
   */
  take(kind: number, name: string, fd: number | undefined, found: () => string): Fields {
    this.rethrow();
    if (this.next !== kind) this.#missing(name, fd, found);
    this.#events.call?.(name, fd);
    return this.fields;
  }

  /** The record was read, and agrees. */
  used(): void {
    this.calls += 1;
    if (!this.fields.isAtEnd) throw new RecordingError("damaged: a record has more fields than it should");
    this.#advance();
  }

  /** The same for a turn. */
  turnUsed(): void {
    this.turn += 1;
    this.#advance();
    this.#events.turn?.(this.turn);
  }

  /** The same for what is neither. */
  passed(): void {
    this.#advance();
  }

  /** The record that comes next, as text. */
  get expected(): string {
    const { bytes, end } = this.fields;
    const body = this.#kind === 0 ? bytes.subarray(0, 0) : bytes.subarray(this.#bodyAt, end);
    return recordText(this.#kind, body, this.reader.header.flags, this.hasSent);
  }

  /** Throws what was found, if something was. */
  rethrow(): void {
    if (this.difference !== undefined) throw this.difference;
    if (this.isOver) throw new ReplayOver("the recording is over");
  }

  differ(details: Omit<DifferenceDetails, "turn">): never {
    this.difference ??= new ReplayDifference({ turn: this.turn, ...details });
    const { difference } = this;
    this.#events.differs?.(difference);
    throw difference;
  }

  /** The recording has nothing more. */
  end(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#events.over?.();
  }

  /** Is nothing left but the exit of the process? */
  get isAtEnd(): boolean {
    return this.next === 0 || this.#kind === Kind.EXIT;
  }

  /** The code with which the process exited, where that comes next. */
  get exitCode(): number | undefined {
    if (this.next !== Kind.EXIT) return undefined;
    const code = readValue(this.fields);
    this.fields.at = this.#bodyAt;
    return typeof code === "number" ? code : 0;
  }

  /** "whole" or "cut off", once {@link next} is 0. */
  get ending(): string {
    return this.reader.ending ?? "not read to its end";
  }

  #missing(call: string, fd: number | undefined, found: () => string): never {
    if (this.#kind !== 0) this.differ({ call, fd, expected: this.expected, found: found() });
    this.end();
    throw new ReplayOver("the recording is over");
  }

  #pass(): void {
    if (this.#kind === Kind.CLOCK) this.nowNs += this.fields.signed();
    this.#advance();
  }

  #advance(): void {
    this.position += 1;
    this.#kind = this.reader.next() ? this.reader.kind : 0;
    this.#bodyAt = this.fields.at;
    if (this.#kind === 0 && this.reader.ending === undefined) throw new RecordingError("damaged: a record of kind 0");
  }
}

function isSkipped(kind: number): boolean {
  return kind === Kind.CLOCK || kind === Kind.TURN_END || kind === Kind.UPDATE_FAILED || kind === Kind.SET_CLOSED;
}

function patternsOf(value: unknown): readonly (readonly [string, string])[] {
  if (value === undefined) return [];
  const isList = Array.isArray(value) && value.every((each) => Array.isArray(each) && each.length === 2);
  if (!isList) throw new RecordingError("damaged: no list of patterns");
  return (value as unknown[][]).map(([source, flags]) => [String(source), String(flags)]);
}
