/**
 * Owns the records of a replay that were read and not used yet: the next one, those after it as far as they were looked
 * through, and which of them is being read. Knows the reader; knows no program, no time and no difference.
 */

import { Kind } from "../calls.js";
import { RecordingError } from "../format.js";
import { Fields, type RecordingReader } from "../reader.js";
import { descriptorOf, isSending, type Queued } from "./queued.js";

/** So many records are looked through for one that comes early. */
export const AHEAD_MAX = 50_000;

export class Records {
  /** Of the record that was picked, or else of the next one. */
  readonly fields = new Fields();
  /** Changes with each record that is used. */
  position = 0;
  readonly #reader: RecordingReader;
  readonly #failed: (error: RecordingError) => never;
  /** The next record, and what comes after it, as far as it was read. */
  readonly #queue: Queued[] = [];
  /** Which of them was picked; 0: the next. */
  #picked = 0;
  /** Is a record looked for? Then the reader says where it cannot go on. */
  #isReading = false;
  #isClosed = false;

  /**
   * @param failed called with what is damaged. Before the first record it is thrown: whoever starts the replay is to know
   */
  constructor(reader: RecordingReader, failed: (error: RecordingError) => never) {
    this.#reader = reader;
    this.#failed = failed;
    this.advance();
  }

  get next(): Queued | undefined {
    return this.#queue[0];
  }

  /** The kind of the next record; 0 at the end. */
  get kind(): number {
    return this.#queue[0]?.kind ?? 0;
  }

  /** The record that is being read: what was picked, or else the next. */
  get current(): Queued | undefined {
    return this.#queue[this.#picked];
  }

  /** Where in the recording the record is that is being read; undefined where the reader says so itself. */
  get place(): number | undefined {
    return this.#isReading ? undefined : this.current?.place;
  }

  /** The record that comes so many after the next; each one before it has to have been asked for. */
  at(index: number): Queued | undefined {
    return this.#queue[index] ?? this.#readAhead();
  }

  /** Its fields are read before those of the next. */
  pick(index: number): void {
    this.#picked = index;
    this.#show(this.current);
  }

  /** Picks the next call on the descriptor if it is of this kind; without a descriptor, the next record of the kind. */
  pickCall(kind: number, fd: number | undefined): boolean {
    for (let index = 1; index <= AHEAD_MAX; index++) {
      const record = this.at(index);
      if (record === undefined) return false;
      if (fd === undefined ? record.kind !== kind : descriptorOf(record) !== fd) continue;
      if (record.kind !== kind) return false;
      this.pick(index);
      return true;
    }
    return false;
  }

  /** Is something sent in the next call on the descriptor? */
  sendsNext(fd: number): boolean {
    for (let index = 0; index <= AHEAD_MAX; index++) {
      const record = this.at(index);
      if (record === undefined) return false;
      if (descriptorOf(record) === fd) return isSending(record.kind);
    }
    return false;
  }

  /** What was picked, or else the next, is used. */
  use(): void {
    if (this.#picked === 0) return this.advance();
    this.position += 1;
    this.takeOut();
  }

  /** What was picked is no longer among the records; the {@link position} stays. */
  takeOut(): void {
    this.#queue.splice(this.#picked, 1);
    this.pick(0);
  }

  /** The next record is used. */
  advance(): void {
    this.position += 1;
    this.#queue.shift();
    if (this.#queue.length === 0) this.#readAhead();
    this.rewind();
  }

  /** The fields of the next record are to be read from the beginning. */
  rewind(): void {
    this.#show(this.next);
  }

  #show(record: Queued | undefined): void {
    if (record !== undefined) this.fields.set(record.bytes, record.at, record.end);
  }

  #readAhead(): Queued | undefined {
    const read = this.#read();
    if (read !== undefined) this.#queue.push(read);
    return read;
  }

  #read(): Queued | undefined {
    const reader = this.#reader;
    this.#isReading = true;
    try {
      do {
        if (!reader.next()) {
          this.#isReading = false;
          this.#close();
          return undefined;
        }
      } while (reader.kind === Kind.TICK);
      if (reader.kind === 0) throw new RecordingError(`damaged: a record of kind 0 at byte ${reader.position}`);
    } catch (error) {
      if (this.position > 1 && error instanceof RecordingError) this.#failed(error);
      throw error;
    }
    this.#isReading = false;
    const { bytes, at, end } = reader.fields;
    return { kind: reader.kind, bytes, at, end, place: reader.position };
  }

  /** Nothing more is to be read. */
  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#reader.close();
  }
}
