/**
 * Owns where a replay is in its recording: the record that comes next, the time, and the first difference. Knows the records;
 * knows no backend and no loop.
 *
 * Inside a turn calls have to come in the order in which they came. Between turns they come from promises, files and timers
 * of Node, which are not in the recording: there the calls on each descriptor have to come in their order, and a call that
 * comes earlier than it did takes its record out of the queue.
 *
 * Some records are not waited for. Readings of the clock by the first half of a turn depend on how often the host took it;
 * dates, the program's own readings, a refused descriptor and the end of a poll set are skipped where something else is asked
 * for. Dates and readings of the program's that were skipped are kept: it may still come to them.
 */

import { Kind } from "../calls.js";
import { Flag, inRecord, RecordingError, RecordingKind } from "../format.js";
import { type Blanker, blanker } from "../options.js";
import { Fields, type RecordingReader } from "../reader.js";
import { readValue, textIn } from "../values.js";
import { Dates } from "./dates.js";
import { soundText } from "./describe.js";
import { type DifferenceDetails, ReplayDifference, ReplayOver } from "./difference.js";
import { descriptorOf, isReading, isSending, isSkipped, type Queued } from "./queued.js";
import { Readings } from "./readings.js";

/** What a player reports. */
export interface PlayerEvents {
  /** The first difference. By default it is thrown, here and at each later call. */
  differs?: ((difference: ReplayDifference) => void) | undefined;
  /** The recording is over, and the program wants to know what comes next. */
  over?: (() => void) | undefined;
  /** The recording is damaged here. By default that is thrown, here and at each later call. */
  failed?: ((error: unknown) => void) | undefined;
  /** Before each call that is replayed. */
  call?: ((name: string, fd: number | undefined) => void) | undefined;
  /** Before each turn that is replayed. */
  turn?: ((turn: number) => void) | undefined;
}

/** So many records are looked through for one that comes early. */
const AHEAD_MAX = 50_000;
/** The same for a date. Each call of the program's looks for it. */
const DATE_AHEAD_MAX = 1000;

export class Player {
  readonly reader: RecordingReader;
  /** Of the record that {@link take} found, or else of the {@link next} one. */
  readonly fields = new Fields();
  readonly hasSent: boolean;
  readonly blank: Blanker | undefined;
  /** The turns and calls so far, and the bytes that were received and sent in them. */
  turn = 0;
  calls = 0;
  bytesIn = 0;
  bytesOut = 0;
  /** Changes with each record that is used. */
  position = 0;
  difference: ReplayDifference | undefined;
  /** The recording cannot be read further. */
  failure: { readonly error: unknown } | undefined;
  isOver = false;
  isInTurn = false;
  /** Do calls between turns have to come in their order as well? */
  isStrict = false;
  /** Does the program wait for files of node:fs? When they are there is not in the recording. */
  hasFiles = false;
  readonly #events: PlayerEvents;
  #isClosed = false;
  readonly #dates = new Dates();
  readonly #readings: Readings;
  /** The {@link position} at which no further date was found. */
  #datesSearchedAt = -1;
  /** What comes after the next record, as far as it was read. */
  readonly #queue: Queued[] = [];
  /** Of the next record. */
  #head: Queued | undefined;
  /** Which record {@link take} found, where that is not the next. */
  #early = -1;
  /** Is a record looked for? Then the reader says where it cannot go on. */
  #isReading = false;

  /**
   * @param redact what was blanked when it was recorded
   * @throws RecordingError for a recording that cannot be replayed
   */
  constructor(reader: RecordingReader, events: PlayerEvents = {}, redact: readonly (string | RegExp)[] = []) {
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
    this.hasSent = header.details["sent"] === true;
    this.blank = blanker(redact);
    this.#readings = new Readings(Number(header.monotonicNs));
    this.#events = events;
    this.#advance();
  }

  /** The kind of the next record that matters; 0 at the end. */
  get next(): number {
    this.#passSkipped();
    return this.#kind;
  }

  #passSkipped(): void {
    while (isSkipped(this.#kind) && !(this.isInTurn && this.#kind === Kind.TURN_END)) this.#pass();
  }

  get #kind(): number {
    return this.#head?.kind ?? 0;
  }

  /** The monotonic clock: as the program read it at this point, or last. */
  readClock(): number {
    const readings = this.#readings;
    while (!readings.isAny && (isReading(this.#kind) || (this.#kind === Kind.TURN_END && !this.isInTurn))) this.#pass();
    return readings.next();
  }

  /** The same for the first half of a turn: as it was read last before what comes next. */
  readTurnTime(): number {
    if ((this.reader.header.flags & Flag.TURN_TIMES) === 0) return this.readClock();
    this.#passSkipped();
    return this.#readings.turnNs;
  }

  /**
   * What `Date.now` says here: something new where the recording has it at this call, counted from the one before, or else what
   * it said last.
   */
  readDate(): number {
    return this.reporting(() => this.#dates.next(() => this.#findDate()));
  }

  /** Takes the next date out of the recording, unless something of the program's comes before it. */
  #findDate(): void {
    if (this.#datesSearchedAt === this.position) return;
    let index = -1;
    let record = this.#head;
    while (record !== undefined && record.kind !== Kind.DATE && isSkipped(record.kind) && index < DATE_AHEAD_MAX) {
      index += 1;
      record = this.#queue[index] ?? this.#readAhead();
    }
    if (record?.kind !== Kind.DATE) {
      this.#datesSearchedAt = this.position;
      return;
    }
    if (index < 0) return this.#pass();
    const fields = new Fields();
    fields.set(record.bytes, record.at, record.end);
    this.#early = index;
    this.#dates.keep(fields);
    this.#early = -1;
    this.#queue.splice(index, 1);
  }

  /** Was a descriptor refused here? @returns -errno, or 0 */
  refused(set: number, fd: number, interest: number): number {
    while (isReading(this.#kind) || (this.#kind === Kind.TURN_END && !this.isInTurn)) this.#pass();
    if (this.#kind !== Kind.UPDATE_FAILED) return 0;
    const { fields } = this;
    if (readValue(fields) === set && readValue(fields) === fd && readValue(fields) === interest) {
      const result = readValue(fields);
      this.#advance();
      return typeof result === "number" ? result : 0;
    }
    this.#rewind();
    return 0;
  }

  /**
   * The program makes a call: the recording has to have it here. Its fields are to be read, and {@link used} to be called.
   * @param found the call as text, asked for where it differs
   */
  take(kind: number, name: string, fd: number | undefined, found: () => string): Fields {
    this.rethrow();
    if (this.next !== kind || !this.#isOn(this.#head, fd)) {
      const isHeads = fd !== undefined && this.#head !== undefined && descriptorOf(this.#head) === fd;
      const isStrict = this.isStrict || (this.isInTurn && !this.hasFiles);
      if (isStrict || isHeads || !this.#lookAhead(kind, fd)) this.#missing(name, fd, found);
    }
    this.#events.call?.(name, fd);
    return this.fields;
  }

  /** The record was read, and agrees. */
  used(): void {
    this.calls += 1;
    if (!this.fields.isAtEnd) throw new RecordingError("damaged: a record has more fields than it should");
    if (this.#early < 0) {
      if (this.isInTurn) this.#readings.pass();
      return this.#advance();
    }
    this.#queue.splice(this.#early, 1);
    this.#early = -1;
    this.position += 1;
    this.#rewind();
  }

  /** The same for a turn. */
  turnUsed(): void {
    this.turn += 1;
    this.isInTurn = true;
    this.#readings.pass();
    this.#advance();
    this.#events.turn?.(this.turn);
  }

  /** The turn is over: it has to have been over then. */
  turnEnded(): void {
    if (!this.isInTurn) return;
    if (this.failure !== undefined) throw this.failure.error;
    if (this.difference === undefined && !this.isOver && this.next !== Kind.TURN_END && this.#kind !== 0) {
      this.differ({ call: "the end of the turn", fd: undefined, expected: this.expected, found: "the turn ends" });
    }
    this.isInTurn = false;
  }

  /** The same for what is neither. */
  passed(): void {
    this.#advance();
  }

  /** The record that is being read. */
  get #record(): Queued | undefined {
    return this.#early < 0 ? this.#head : this.#queue[this.#early];
  }

  /** The record that comes next, as text. A damaged one is no difference: it is the recording's fault. */
  get expected(): string {
    const record = this.#record;
    const body = record === undefined ? new Uint8Array(0) : record.bytes.subarray(record.at, record.end);
    return this.reporting(() => soundText(record?.kind ?? 0, body, this.reader.header.flags, this.hasSent));
  }

  /** Throws what was found, if something was. */
  rethrow(): void {
    if (this.failure !== undefined) throw this.failure.error;
    if (this.difference !== undefined) throw this.difference;
    if (this.isOver) throw new ReplayOver("the recording is over");
  }

  differ(details: Omit<DifferenceDetails, "turn">): never {
    this.difference ??= new ReplayDifference({ turn: this.turn, ...details });
    const { difference } = this;
    this.#events.differs?.(difference);
    throw difference;
  }

  /** It cannot be read further. That is reported, because the program may catch what a call of its throws. */
  fail(error: unknown): never {
    throw this.report(error);
  }

  /**
   * The same for those who throw it later.
   * @returns what is to be thrown: it says where the record is that is being read
   */
  report(error: unknown): unknown {
    if (this.failure !== undefined) return this.failure.error;
    const place = this.#isReading ? undefined : this.#record?.place;
    const shown = error instanceof RecordingError && place !== undefined ? inRecord(error, place) : error;
    if (shown instanceof RecordingError) this.failure = { error: shown };
    this.#events.failed?.(shown);
    return shown;
  }

  /** Something that the program calls: it may catch a RecordingError. */
  reporting<T>(call: () => T): T {
    try {
      return call();
    } catch (error) {
      if (error instanceof RecordingError) this.fail(error);
      throw error;
    }
  }

  /** The recording has nothing more. */
  end(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#events.over?.();
  }

  /** Is nothing left but the exit of the process? */
  get isAtEnd(): boolean {
    if (this.next !== Kind.EXIT) return this.#kind === 0;
    const follows = this.#queue[0] ?? this.#readAhead();
    if (follows === undefined) return true;
    return this.fail(new RecordingError("damaged: something follows the exit of the process"));
  }

  /** The code with which the process exited, where that comes next. */
  get exitCode(): number | undefined {
    if (this.next !== Kind.EXIT) return undefined;
    return this.reporting(() => {
      // Node takes a text as well.
      const code = Number(textIn(readValue(this.fields)) || Number.NaN);
      this.#rewind();
      if (!Number.isInteger(code)) throw new RecordingError("damaged: no exit status");
      return code;
    });
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
    if (this.#kind === Kind.CLOCK || this.#kind === Kind.TURN_TIME) this.#readings.keep(this.#kind, this.fields);
    // The program may still have to ask for it.
    if (this.#kind === Kind.DATE) this.#dates.keep(this.fields);
    if (this.#dates.coming > AHEAD_MAX) {
      const expected = "the program asks for the date";
      this.differ({ call: "Date.now", fd: undefined, expected, found: "it does not" });
    }
    this.#advance();
  }

  #advance(): void {
    this.position += 1;
    this.#head = this.#queue.shift() ?? this.#read();
    this.#rewind();
  }

  /** The fields of the next record are to be read from the beginning. */
  #rewind(): void {
    const head = this.#head;
    if (head !== undefined) this.fields.set(head.bytes, head.at, head.end);
  }

  #read(): Queued | undefined {
    const { reader } = this;
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
      // Before the first record it is whoever starts the replay that is to know.
      if (this.position > 1 && error instanceof RecordingError) this.fail(error);
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
    this.reader.close();
  }

  /** Is a call's record on this descriptor? Others are on none. */
  #isOn(record: Queued | undefined, fd: number | undefined): boolean {
    return (
      record !== undefined && (fd === undefined || (this.isInTurn && !this.hasFiles) || descriptorOf(record) === fd)
    );
  }

  /** Is something sent in the next call on the descriptor? */
  sendsNext(fd: number): boolean {
    if (this.#head !== undefined && descriptorOf(this.#head) === fd) return isSending(this.#head.kind);
    for (let index = 0; index < AHEAD_MAX; index++) {
      const queued = this.#queue[index] ?? this.#readAhead();
      if (queued === undefined) return false;
      if (descriptorOf(queued) === fd) return isSending(queued.kind);
    }
    return false;
  }

  /** Is this the next call on the descriptor, or the next of its kind? It comes early then. */
  #lookAhead(kind: number, fd: number | undefined): boolean {
    for (let index = 0; index < AHEAD_MAX; index++) {
      const queued = this.#queue[index] ?? this.#readAhead();
      if (queued === undefined) return false;
      if (fd === undefined ? queued.kind !== kind : descriptorOf(queued) !== fd) continue;
      if (queued.kind !== kind) return false;
      this.#early = index;
      this.fields.set(queued.bytes, queued.at, queued.end);
      return true;
    }
    return false;
  }

  #readAhead(): Queued | undefined {
    const read = this.#read();
    if (read !== undefined) this.#queue.push(read);
    return read;
  }
}
