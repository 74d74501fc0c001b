/**
 * Owns what a view of a run shows: lanes, events and turns, as columns of numbers. Shared by the command that makes a page
 * and by the page itself: knows neither Node nor a browser, neither a recording nor a world.
 *
 * Times are microseconds since the run began. Columns, because a page with a hundred thousand objects takes seconds to load.
 */

/** What happened. The order is part of pages: new kinds go to the end. */
export const EVENT_KINDS = [
  "open",
  "accept",
  "connect",
  "read",
  "write",
  "blocked",
  "end of input",
  "close",
  "error",
  "note",
] as const;

export type EventKind = (typeof EVENT_KINDS)[number];

/** One descriptor, from its opening to its closing: a number that is used again is another lane. */
export interface Lane {
  /** undefined: of a guest itself. */
  readonly fd: number | undefined;
  /** What is known of it: "listening 127.0.0.1:80", "127.0.0.1:80 < 127.0.0.1:4711". */
  name: string;
  readonly openedUs: number;
  /** undefined: still open when the run ended. */
  closedUs: number | undefined;
  bytesIn: number;
  bytesOut: number;
}

/** By event, in order of time. */
export interface EventColumns {
  readonly lane: Uint32Array;
  readonly atUs: Float64Array;
  /** Index of {@link EVENT_KINDS}. */
  readonly kind: Uint8Array;
  readonly bytes: Uint32Array;
  /** Index of {@link Timeline.texts}: an error's code, an address. */
  readonly text: Uint32Array;
  readonly turn: Uint32Array;
  /** Where its contents begin in {@link Timeline.contents}, and how many of its bytes are there. */
  readonly contentAt: Uint32Array;
  readonly contentLength: Uint32Array;
  /** A hash of all that was received or sent, also of what is not in {@link Timeline.contents}. */
  readonly digest: Uint32Array;
}

/** By turn. */
export interface TurnColumns {
  readonly beganUs: Float64Array;
  /** What it took, without the wait before it. */
  readonly tookUs: Float64Array;
  /** How many channels were ready. */
  readonly ready: Uint32Array;
}

export interface Timeline {
  readonly title: string;
  /** Since the epoch, in milliseconds. */
  readonly startedMs: number;
  readonly durationUs: number;
  /** Why the recording does not reach the end of the run; "" where it does. */
  readonly incomplete: string;
  readonly lanes: readonly Lane[];
  readonly texts: readonly string[];
  readonly events: EventColumns;
  readonly turns: TurnColumns;
  /** What was received and sent, one after the other. */
  readonly contents: Uint8Array;
}

/** What {@link TimelineBuilder.add} takes. */
export interface NewEvent {
  readonly lane: number;
  readonly atUs: number;
  readonly kind: EventKind;
  readonly bytes?: number;
  readonly text?: string;
  readonly content?: Uint8Array;
  /** Default 0: not known. */
  readonly digest?: number;
}

/** Of each event's contents. */
const CONTENT_MAX = 1024;
/** Of all contents: a page with more takes long to load. */
const CONTENTS_MAX = 8 * 2 ** 20;

/** Grows by doubling; {@link taken} cuts it. */
class Column<T extends Uint8Array | Uint32Array | Float64Array> {
  #values: T;
  readonly #make: (length: number) => T;
  length = 0;

  constructor(make: (length: number) => T) {
    this.#make = make;
    this.#values = make(256);
  }

  push(value: number): void {
    if (this.length === this.#values.length) {
      const larger = this.#make(this.length * 2);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.length++] = value;
  }

  at(index: number): number {
    return this.#values[index] ?? 0;
  }

  set(index: number, value: number): void {
    this.#values[index] = value;
  }

  taken(): T {
    return this.#values.subarray(0, this.length) as T;
  }
}

const bytesColumn = (): Column<Uint8Array> => new Column((length) => new Uint8Array(length));
const wholes = (): Column<Uint32Array> => new Column((length) => new Uint32Array(length));
const times = (): Column<Float64Array> => new Column((length) => new Float64Array(length));

/** Collects a timeline, event by event; {@link timeline} can be taken at any time, also of a run that goes on. */
export class TimelineBuilder {
  readonly lanes: Lane[] = [];
  durationUs = 0;
  incomplete = "";
  readonly #title: string;
  readonly #startedMs: number;
  readonly #texts: string[] = [""];
  readonly #textAt = new Map<string, number>([["", 0]]);
  readonly #lane = wholes();
  readonly #atUs = times();
  readonly #kind = bytesColumn();
  readonly #bytes = wholes();
  readonly #text = wholes();
  readonly #turn = wholes();
  readonly #contentAt = wholes();
  readonly #contentLength = wholes();
  readonly #digest = wholes();
  readonly #beganUs = times();
  readonly #tookUs = times();
  readonly #ready = wholes();
  #contents = new Uint8Array(4096);
  #contentsLength = 0;

  constructor(title: string, startedMs: number) {
    this.#title = title;
    this.#startedMs = startedMs;
  }

  get eventCount(): number {
    return this.#lane.length;
  }

  /** Spreads the events from `first` on evenly between two times: for a clock that was not read for each. */
  spread(first: number, fromUs: number, toUs: number): void {
    const count = this.eventCount - first;
    for (let index = 0; index < count; index++) {
      this.#atUs.set(first + index, fromUs + ((toUs - fromUs) * (index + 1)) / (count + 1));
    }
  }

  /** @returns the index of the lane */
  open(fd: number | undefined, atUs: number, name: string): number {
    this.lanes.push({ fd, name, openedUs: atUs, closedUs: undefined, bytesIn: 0, bytesOut: 0 });
    return this.lanes.length - 1;
  }

  add({ lane, atUs, kind, bytes = 0, text = "", content, digest = 0 }: NewEvent): void {
    this.durationUs = Math.max(this.durationUs, atUs);
    this.#lane.push(lane);
    this.#atUs.push(atUs);
    this.#kind.push(EVENT_KINDS.indexOf(kind));
    this.#bytes.push(bytes);
    this.#text.push(this.#indexOf(text));
    this.#turn.push(Math.max(0, this.#beganUs.length - 1));
    const kept = this.#keep(content);
    this.#contentAt.push(this.#contentsLength - kept);
    this.#contentLength.push(kept);
    this.#digest.push(digest);
    const of = this.lanes[lane];
    if (of === undefined) return;
    if (kind === "read") of.bytesIn += bytes;
    else if (kind === "write") of.bytesOut += bytes;
    else if (kind === "close") of.closedUs = atUs;
  }

  beginTurn(atUs: number): void {
    this.durationUs = Math.max(this.durationUs, atUs);
    this.#beganUs.push(atUs);
    this.#tookUs.push(0);
    this.#ready.push(0);
  }

  /** The wait of the turn is over: it takes time from now on. */
  endWait(atUs: number, ready: number): void {
    const index = this.#beganUs.length - 1;
    if (index < 0) return;
    this.#beganUs.set(index, atUs);
    this.#ready.set(index, ready);
  }

  endTurn(atUs: number): void {
    this.durationUs = Math.max(this.durationUs, atUs);
    const index = this.#beganUs.length - 1;
    if (index >= 0) this.#tookUs.set(index, Math.max(0, atUs - this.#beganUs.at(index)));
  }

  timeline(): Timeline {
    return {
      title: this.#title,
      startedMs: this.#startedMs,
      durationUs: this.durationUs,
      incomplete: this.incomplete,
      lanes: this.lanes,
      texts: this.#texts,
      events: {
        lane: this.#lane.taken(),
        atUs: this.#atUs.taken(),
        kind: this.#kind.taken(),
        bytes: this.#bytes.taken(),
        text: this.#text.taken(),
        turn: this.#turn.taken(),
        contentAt: this.#contentAt.taken(),
        contentLength: this.#contentLength.taken(),
        digest: this.#digest.taken(),
      },
      turns: { beganUs: this.#beganUs.taken(), tookUs: this.#tookUs.taken(), ready: this.#ready.taken() },
      contents: this.#contents.subarray(0, this.#contentsLength),
    };
  }

  #indexOf(text: string): number {
    const known = this.#textAt.get(text);
    if (known !== undefined) return known;
    this.#texts.push(text);
    this.#textAt.set(text, this.#texts.length - 1);
    return this.#texts.length - 1;
  }

  #keep(content: Uint8Array | undefined): number {
    if (content === undefined) return 0;
    const length = Math.min(content.length, CONTENT_MAX, CONTENTS_MAX - this.#contentsLength);
    if (this.#contentsLength + length > this.#contents.length) {
      const larger = new Uint8Array(Math.max(this.#contents.length * 2, this.#contentsLength + length));
      larger.set(this.#contents);
      this.#contents = larger;
    }
    this.#contents.set(content.subarray(0, length), this.#contentsLength);
    this.#contentsLength += length;
    return length;
  }
}
