/**
 * Owns making a timeline of a recording, that of a backend here. Knows recordings and timelines; knows no file and no page. What a record
 * says is checked where it is read: a recording may come from anywhere.
 */

import { counted } from "../backend/counted.js";
import { CALLS, Kind, NAMES, type RecordedCall } from "../record/calls.js";
import { Flag, RecordingError, RecordingKind } from "../record/format.js";
import { ROW_IS_LONG } from "../record/journal.js";
import type { Fields, RecordingReader } from "../record/reader.js";
import { readValue, Thrown } from "../record/values.js";
import { guestTimeline } from "./from-guest.js";
import { OpenLanes } from "./open-lanes.js";
import { addressText, contentsIn, descriptorIn, field, openName, textIn } from "./record-values.js";
import type { Timeline } from "./timeline.js";

const NS_PER_US = 1000;
const NS_PER_MS = 1e6;

/**
 * @param errno the numbers of errors by name, on the platform that the recording is of
 * @throws RecordingError for what is damaged
 */
export function timelineOf(reader: RecordingReader, title: string, errno: Readonly<Record<string, number>>): Timeline {
  const { kind, realtimeNs } = reader.header;
  if (kind === RecordingKind.GUEST) return guestTimeline(reader, title);
  return new Reading(reader, title, Number(realtimeNs) / NS_PER_MS, errno).timeline();
}

/** The record that an event of a timeline is of. */
export interface EventRecord {
  /** Counted from 1; 0 before the first. */
  readonly turn: number;
  readonly kind: number;
  /** Valid for as long as the reader is not used. */
  readonly body: Uint8Array;
}

/**
 * The record of event `index` of {@link timelineOf}; undefined where the recording has fewer.
 * @param reader a new one of the same recording
 */
export function recordOfEvent(
  reader: RecordingReader,
  errno: Readonly<Record<string, number>>,
  index: number,
): EventRecord | undefined {
  return new Reading(reader, "", 0, errno).recordOf(index);
}

class Reading extends OpenLanes {
  readonly #reader: RecordingReader;
  readonly #startNs: number;
  /** The clock as the program has read it last; and as it is known. */
  #readNs: number;
  #nowNs: number;
  readonly #errorNames: ReadonlyMap<number, string>;
  /** Are contents there, and not hashes of them? */
  readonly #hasReceived: boolean;
  readonly #hasSent: boolean;
  /** The first event since the clock was read, and since a wait that came after it. */
  #sinceTick = 0;
  #afterWait: number | undefined;
  /** What that wait found. */
  #ready = 0;

  constructor(reader: RecordingReader, title: string, startedMs: number, errno: Readonly<Record<string, number>>) {
    super(title, startedMs);
    this.#reader = reader;
    this.#startNs = Number(reader.header.monotonicNs);
    this.#readNs = this.#startNs;
    this.#nowNs = this.#startNs;
    const { flags, details } = reader.header;
    this.#hasReceived = (flags & Flag.NO_PAYLOADS) === 0;
    this.#hasSent = details.sent === true;
    this.#errorNames = new Map(Object.entries(errno).map(([name, number]) => [number, name]));
  }

  timeline(): Timeline {
    const reader = this.#reader;
    while (reader.next()) this.#record(reader.kind, reader.fields);
    if (reader.ending !== "whole") this.built.incomplete = "the recording was cut off";
    return this.built.timeline();
  }

  recordOf(index: number): EventRecord | undefined {
    const { fields } = this.#reader;
    for (let turn = 0; this.#reader.next();) {
      const { kind } = this.#reader;
      const body = fields.bytes.subarray(fields.at, fields.end);
      if (kind === Kind.TURN) turn += 1;
      this.#record(kind, fields);
      if (this.built.eventCount > index) return { turn, kind, body };
    }
    return undefined;
  }

  #record(kind: number, fields: Fields): void {
    switch (kind) {
      case Kind.CLOCK:
      case Kind.TURN_TIME:
        this.#readNs += fields.signed();
        return this.#tick(this.#readNs);
      case Kind.TICK:
        return this.#tick(this.#readNs + fields.signed());
      case Kind.TURN:
        return this.built.beginTurn(this.atUs);
      case Kind.TURN_END:
        return this.built.endTurn(this.atUs);
      case Kind.WAIT:
        return this.#waited(fields);
      case Kind.RECEIVE:
      case Kind.RECV:
      case Kind.READ:
      case Kind.READ_BYTES:
        return this.#received(fields);
      case Kind.SEND:
      case Kind.SEND_VECTOR:
      case Kind.WRITE:
        return this.#sent(fields);
      case Kind.CLOSE:
        return this.closed(fields.varint());
      case Kind.OPEN:
        return this.#wereOpen(readValue(fields));
      default:
        this.#call(NAMES.get(kind), fields);
    }
  }

  /** When a flight recorder's stretch begins. */
  #wereOpen(list: unknown): void {
    if (!Array.isArray(list)) throw new RecordingError("damaged: no list of descriptors");
    for (const each of list as readonly unknown[]) this.rename(descriptorIn(field(each, "fd")), () => openName(each));
  }

  /** What a wait found: an error of a socket is taken by it, and no call meets it. */
  #waited(fields: Fields): void {
    fields.varint();
    const count = Math.max(0, fields.signed());
    this.#afterWait = this.built.eventCount;
    this.#ready = count;
    for (let row = 0; row < count; row++) {
      const fd = fields.varint();
      if ((fields.byte() & ROW_IS_LONG) === 0) continue;
      const error = fields.signed();
      fields.signed();
      if (error < 0) this.#failed(this.laneOf(fd), error);
    }
  }

  /**
   * The clock is read a few times a turn. What happened since then is spread between two readings, but for the time of a
   * wait in between: what came before it has the time of the first, what came after it that of the second.
   */
  #tick(nowNs: number): void {
    const beforeUs = this.atUs;
    if (nowNs > this.#nowNs) {
      this.#nowNs = nowNs;
      this.atUs = (nowNs - this.#startNs) / NS_PER_US;
      const built = this.built;
      if (this.#afterWait === undefined) built.spread(this.#sinceTick, beforeUs, this.atUs);
      else built.spread(this.#afterWait, this.atUs, this.atUs);
      built.durationUs = Math.max(built.durationUs, this.atUs);
    }
    if (this.#afterWait !== undefined) this.built.endWait(this.atUs, this.#ready);
    this.#sinceTick = this.built.eventCount;
    this.#afterWait = undefined;
  }

  #received(fields: Fields): void {
    const fd = fields.varint();
    const lane = this.laneOf(fd);
    const room = fields.varint();
    const count = fields.signed();
    if (count < 0) return this.#failed(lane, count);
    if (count === 0 && !this.isForDatagrams(fd)) {
      if (room > 0) this.event(lane, "end of input");
      return;
    }
    // Of nothing there is no hash.
    const areThere = this.#hasReceived || count === 0;
    const known = areThere ? contentsIn(fields.rest()) : { digest: fields.uint32() };
    this.built.add({ lane, atUs: this.atUs, kind: "read", bytes: count, ...known });
  }

  #sent(fields: Fields): void {
    const lane = this.laneOf(fields.varint());
    const result = fields.signed();
    const length = fields.varint();
    if (result < 0) return this.#failed(lane, result, "blocked");
    const all = this.#hasSent ? fields.rest() : undefined;
    // The hash is of all that was to be sent: of the part that was taken there is none where contents were left out.
    const known =
      all === undefined ? { digest: fields.uint32() } : { ...contentsIn(all), content: all.subarray(0, result) };
    this.built.add({ lane, atUs: this.atUs, kind: "write", bytes: result, ...known });
    if (result < length)
      this.event(lane, "blocked", `${counted(length - result, "byte")} ${length - result === 1 ? "waits" : "wait"}`);
  }

  /** A call that would have to wait is an event for output alone: level-triggered reads end with one. */
  #failed(lane: number, result: number, blocked?: "blocked"): void {
    const code = this.#errorNames.get(-result) ?? `errno ${-result}`;
    if (code !== "EAGAIN" && code !== "EWOULDBLOCK") return this.event(lane, "error", code);
    if (blocked !== undefined) this.event(lane, blocked);
  }

  #call(name: RecordedCall | undefined, fields: Fields): void {
    if (name === undefined) return;
    const args = readValue(fields);
    const result = readValue(fields);
    if (!Array.isArray(args)) throw new RecordingError("damaged: a call without arguments");
    const { target } = CALLS[name] as { readonly target?: number };
    const filled = target === undefined ? undefined : readValue(fields);
    if (!(result instanceof Thrown)) this.#returned(name, args, result, filled);
  }

  #returned(name: RecordedCall, args: readonly unknown[], result: unknown, filled: unknown): void {
    const [first, second, third] = args;
    const fd = descriptorIn(first);
    switch (name) {
      case "socket":
        return this.#made(result, `${textIn(first)} ${textIn(second)}`, second === "dgram");
      case "socketPair":
        for (const each of Array.isArray(result) ? result : []) this.#made(each, "socket pair", first === "dgram");
        return;
      case "pipe":
        for (const each of Array.isArray(result) ? result : []) this.opened(each, "pipe");
        return;
      case "duplicate":
        return this.#made(result, `duplicate of ${textIn(first)}`, fd !== undefined && this.isForDatagrams(fd));
      default:
        if (fd !== undefined) this.#on(fd, name, second, third, result, filled);
    }
  }

  #made(fd: unknown, name: string, isForDatagrams: boolean): void {
    this.opened(fd, name);
    if (isForDatagrams && typeof fd === "number") this.forDatagrams(fd);
  }

  /** A call on a descriptor. */
  #on(fd: number, name: RecordedCall, second: unknown, third: unknown, result: unknown, filled: unknown): void {
    const address = addressText(result);
    switch (name) {
      case "accept":
        return this.#accepted(fd, result);
      case "listen":
        if (typeof result === "number" && result < 0) return this.#failed(this.laneOf(fd), result);
        return this.rename(fd, (named) => `listening ${named}`);
      case "bind":
        if (typeof result === "number" && result < 0) return this.#failed(this.laneOf(fd), result);
        return this.rename(fd, (named) => addressText(second) ?? named);
      case "localAddress":
        return this.rename(fd, (named) =>
          address !== undefined && named.startsWith("listening") ? `listening ${address}` : named,
        );
      case "connect":
        return this.#connected(fd, second, result);
      case "sendTo":
        return this.#datagram(fd, "write", result, second, third);
      case "recvFrom":
        return this.#datagram(fd, "read", field(result, "length") ?? result, filled, field(result, "address"));
      case "receiveFrom": {
        const data = field(result, "data");
        return this.#datagram(fd, "read", field(data, "length") ?? result, data, field(result, "address"));
      }
      case "shutdown":
        return this.event(this.laneOf(fd), "note", `shutdown: ${textIn(second)}`);
      case "sendOutOfBand":
      case "recvOutOfBand":
        if (typeof result !== "number" || result <= 0) return;
        return this.event(
          this.laneOf(fd),
          "note",
          name === "sendOutOfBand" ? "urgent byte sent" : "urgent byte received",
        );
      default:
    }
  }

  #accepted(listener: number, result: unknown): void {
    if (typeof result === "number") {
      const code = this.#errorNames.get(-result);
      if (code !== "EAGAIN" && code !== "EWOULDBLOCK") this.#failed(this.laneOf(listener), result);
      return;
    }
    const fd = descriptorIn(field(result, "fd"));
    if (fd === undefined) return;
    const address = addressText(field(result, "address"));
    this.opened(fd, address === undefined ? "accepted" : `from ${address}`);
    this.event(this.laneOf(listener), "accept", address);
  }

  #connected(fd: number, address: unknown, result: unknown): void {
    const text = addressText(address) ?? "";
    this.rename(fd, () => `to ${text}`);
    const lane = this.laneOf(fd);
    this.event(lane, "connect", text);
    const code = typeof result === "number" && result < 0 ? this.#errorNames.get(-result) : undefined;
    if (typeof result === "number" && result < 0 && code !== "EINPROGRESS") this.#failed(lane, result);
  }

  #datagram(fd: number, kind: "read" | "write", count: unknown, data: unknown, address: unknown): void {
    const lane = this.laneOf(fd);
    if (typeof count !== "number") return;
    if (count < 0) return this.#failed(lane, count, kind === "write" ? "blocked" : undefined);
    const text = addressText(address) ?? "";
    this.built.add({ lane, atUs: this.atUs, kind, bytes: count, text, ...contentsIn(data) });
  }
}
