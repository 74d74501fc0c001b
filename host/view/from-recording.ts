/**
 * Owns making a timeline of a recording, that of a backend here. Knows recordings and timelines; knows no file and no page. What a record
 * says is checked where it is read: a recording may come from anywhere.
 */

import type { SocketAddress } from "../backend/addresses.js";
import { inspectAddress } from "../backend/inspect.js";
import { CALLS, Kind, NAMES, type RecordedCall } from "../record/calls.js";
import { Flag, RecordingError, RecordingKind } from "../record/format.js";
import { hashOf } from "../record/hash.js";
import { ROW_IS_LONG } from "../record/journal.js";
import type { Fields, RecordingReader } from "../record/reader.js";
import { Hashed, readValue, Thrown } from "../record/values.js";
import { guestTimeline } from "./from-guest.js";
import { OpenLanes } from "./open-lanes.js";
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
        return void this.laneOf(Number(readValue(fields)));
      default:
        this.#call(NAMES.get(kind), fields);
    }
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
    const lane = this.laneOf(fields.varint());
    fields.varint();
    const count = fields.signed();
    if (count < 0) return this.#failed(lane, count);
    if (count === 0) return this.event(lane, "end of input");
    const known = this.#hasReceived ? contentsOf(fields.rest()) : { digest: fields.uint32() };
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
      all === undefined ? { digest: fields.uint32() } : { ...contentsOf(all), content: all.subarray(0, result) };
    this.built.add({ lane, atUs: this.atUs, kind: "write", bytes: result, ...known });
    if (result < length) this.event(lane, "blocked", `${length - result} bytes wait`);
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
    const [first] = args as readonly unknown[];
    const { target } = CALLS[name] as { readonly target?: number };
    const filled = target === undefined ? undefined : readValue(fields);
    if (result instanceof Thrown) return;
    switch (name) {
      case "socket":
        return this.opened(result, String(args.slice(0, 2).join(" ")));
      case "socketPair":
      case "pipe":
        for (const fd of Array.isArray(result) ? result : []) this.opened(fd, name === "pipe" ? "pipe" : "socket pair");
        return;
      case "duplicate":
        return this.opened(result, `duplicate of ${String(first)}`);
      case "accept":
        return this.#accepted(Number(first), result);
      case "listen":
        return this.rename(first, (named) => `listening ${named}`);
      case "bind":
        return this.#named(first, result, args[1], (address) => address);
      case "localAddress":
        return this.rename(first, (named) =>
          isAddress(result) && named.startsWith("listening") ? `listening ${textOf(result)}` : named,
        );
      case "connect":
        return this.#connected(first, args[1], result);
      case "sendTo":
        return this.#datagram(first, "write", result, args[1], args[2]);
      case "recvFrom":
        return this.#datagram(first, "read", field(result, "length"), filled, field(result, "address"));
      case "receiveFrom":
        return this.#datagram(
          first,
          "read",
          field(field(result, "data"), "length"),
          field(result, "data"),
          field(result, "address"),
        );
      case "shutdown":
        return this.event(this.laneOf(Number(first)), "note", `shutdown: ${String(args[1])}`);
      case "sendOutOfBand":
      case "recvOutOfBand":
        return this.event(
          this.laneOf(Number(first)),
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
    const fd = field(result, "fd");
    const address = field(result, "address");
    if (typeof fd !== "number") return;
    this.opened(fd, isAddress(address) ? `from ${textOf(address)}` : "accepted");
    this.event(this.laneOf(listener), "accept", isAddress(address) ? textOf(address) : "");
  }

  #connected(fd: unknown, address: unknown, result: unknown): void {
    const text = isAddress(address) ? textOf(address) : "";
    this.rename(fd, () => `to ${text}`);
    const lane = this.laneOf(Number(fd));
    this.event(lane, "connect", text);
    const code = typeof result === "number" && result < 0 ? this.#errorNames.get(-result) : undefined;
    if (typeof result === "number" && result < 0 && code !== "EINPROGRESS") this.#failed(lane, result);
  }

  #named(fd: unknown, result: unknown, address: unknown, name: (address: string) => string): void {
    if (typeof result === "number" && result < 0) return this.#failed(this.laneOf(Number(fd)), result);
    if (isAddress(address)) this.rename(fd, () => name(textOf(address)));
  }

  #datagram(fd: unknown, kind: "read" | "write", count: unknown, data: unknown, address: unknown): void {
    const lane = this.laneOf(Number(fd));
    if (typeof count !== "number") return;
    if (count < 0) return this.#failed(lane, count, kind === "write" ? "blocked" : undefined);
    const text = isAddress(address) ? textOf(address) : "";
    this.built.add({ lane, atUs: this.atUs, kind, bytes: count, text, ...contentsOf(data) });
  }
}

/** What is known of contents, of which a recording may have the hash alone. */
function contentsOf(data: unknown): { readonly content?: Uint8Array; readonly digest?: number } {
  if (data instanceof Uint8Array) return { content: data, digest: hashOf(data) };
  return data instanceof Hashed ? { digest: data.hash } : {};
}

function textOf(address: SocketAddress): string {
  return inspectAddress(address) ?? "unnamed";
}

function field(of: unknown, name: string): unknown {
  return typeof of === "object" && of !== null ? (of as Record<string, unknown>)[name] : undefined;
}

function isAddress(value: unknown): value is SocketAddress {
  return (
    typeof field(value, "path") === "string" ||
    (typeof field(value, "host") === "string" && typeof field(value, "port") === "number")
  );
}
