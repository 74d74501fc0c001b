/**
 * Owns what a recording says of the peers of a program: which of its records tell of them, at which time. Knows the records
 * of a backend; knows no network and no world.
 *
 * Only what came from outside is taken: what the program did with it, and in which order, is not looked at.
 */

import type { InetAddress } from "../backend/addresses.js";
import { CALLS, Kind, NAMES, type RecordedCall } from "./calls.js";
import { Flag, RecordingError, RecordingKind } from "./format.js";
import { ROW_IS_LONG } from "./journal.js";
import type { Fields, RecordingReader } from "./reader.js";
import type { PeerScripts } from "./peer-scripts.js";
import { PeerTable } from "./peer-table.js";
import { readValue, textIn, Thrown } from "./values.js";

const NO_DATA = new Uint8Array(0);

/**
 * @param reader of a recording of a program, at its beginning
 * @throws RecordingError for what is damaged, and for a recording without contents, of a guest, or of a flight recorder
 */
export function readPeers(reader: RecordingReader): PeerScripts {
  const { kind, flags } = reader.header;
  if (kind !== RecordingKind.BACKEND)
    throw new RecordingError("it is a recording of a guest, whose peers are not known");
  if ((flags & Flag.STRETCH) !== 0)
    throw new RecordingError("it is a flight recorder's stretch, which has no beginning");
  if ((flags & Flag.NO_PAYLOADS) !== 0) throw new RecordingError("it has no payloads: peers have nothing to send");
  return new Reading(reader).scripts();
}

class Reading {
  readonly #reader: RecordingReader;
  readonly #table = new PeerTable();
  readonly #names = new Map<string, readonly string[]>();
  readonly #lookups = new Map<number, string>();
  /** Errors of sockets that the last wait has found. */
  readonly #found: [fd: number, error: number][] = [];
  readonly #hasSent: boolean;
  #readNs = 0;

  constructor(reader: RecordingReader) {
    this.#reader = reader;
    this.#hasSent = reader.header.details.sent === true;
  }

  scripts(): PeerScripts {
    const reader = this.#reader;
    while (reader.next()) this.#record(reader.kind, reader.fields);
    const { sockets, peers, nowNs } = this.#table;
    return { sockets, peers, names: this.#names, durationNs: nowNs, hasSent: this.#hasSent };
  }

  #record(kind: number, fields: Fields): void {
    const table = this.#table;
    if (kind === Kind.TICK) table.nowNs = Math.max(table.nowNs, this.#readNs + fields.signed());
    // The time of a wait comes after what it has found.
    for (const [fd, error] of this.#found.splice(0)) table.failed(fd, error);
    switch (kind) {
      case Kind.CLOCK:
      case Kind.TURN_TIME:
        this.#readNs += fields.signed();
        table.nowNs = Math.max(table.nowNs, this.#readNs);
        return;
      case Kind.WAIT:
        return this.#waited(fields);
      case Kind.LOOKUP:
        this.#lookups.set(numberIn(readValue(fields)), textIn(readValue(fields)));
        return;
      case Kind.LOOKED_UP:
        return this.#named(this.#lookups.get(numberIn(readValue(fields))), readValue(fields));
      case Kind.RECEIVE:
      case Kind.RECV:
      case Kind.READ:
      case Kind.READ_BYTES: {
        const fd = fields.varint();
        fields.varint();
        const count = fields.signed();
        return table.received(fd, count, count > 0 ? fields.rest() : NO_DATA);
      }
      case Kind.SEND:
      case Kind.SEND_VECTOR:
      case Kind.WRITE: {
        const fd = fields.varint();
        const count = fields.signed();
        fields.varint();
        return table.sent(fd, count, this.#hasSent ? fields.rest() : undefined);
      }
      case Kind.CLOSE:
        return table.closed(fields.varint());
      default: {
        const name = NAMES.get(kind);
        if (name !== undefined) this.#call(name, fields);
      }
    }
  }

  #waited(fields: Fields): void {
    fields.varint();
    const count = Math.max(0, fields.signed());
    for (let row = 0; row < count; row++) {
      const fd = fields.varint();
      if ((fields.byte() & ROW_IS_LONG) === 0) continue;
      const error = fields.signed();
      fields.signed();
      if (error < 0) this.#found.push([fd, error]);
    }
  }

  #call(name: RecordedCall, fields: Fields): void {
    const args = readValue(fields);
    const result = readValue(fields);
    if (!Array.isArray(args)) throw new RecordingError("damaged: a call without arguments");
    const { target } = CALLS[name] as { readonly target?: number };
    const filled = target === undefined ? undefined : readValue(fields);
    if (result instanceof Thrown) return;
    const [first, second, third] = args as readonly unknown[];
    const fd = numberIn(first);
    const returned = numberIn(result);
    const table = this.#table;
    switch (name) {
      case "socket":
        if (returned >= 0 && first !== "unix") table.opened(returned, second === "dgram" ? "dgram" : "stream");
        return;
      case "duplicate":
        if (returned >= 0) table.duplicated(fd, returned);
        return;
      case "release":
        return table.closed(fd);
      case "bind":
        if (result === 0 && isInet(second)) table.bound(fd, second);
        return;
      case "listen":
        if (result === 0) table.listens(fd);
        return;
      case "localAddress":
        if (isInet(result)) table.located(fd, result);
        return;
      case "accept": {
        const address = field(result, "address");
        const accepted = field(result, "fd");
        if (typeof accepted === "number" && isInet(address)) table.accepted(fd, accepted, address);
        return;
      }
      case "connect":
        if (isInet(second)) table.connects(fd, second, returned);
        return;
      case "getOption":
        if (second === "SO_ERROR" && returned > 0) table.failed(fd, -returned);
        return;
      case "lookupSync":
        return this.#named(textIn(first), result);
      case "sendTo":
        if (isInet(third)) table.datagramTo(fd, third, returned, second instanceof Uint8Array ? second : undefined);
        return;
      case "recvFrom":
        return this.#datagramFrom(fd, field(result, "address"), filled);
      case "receiveFrom":
        return this.#datagramFrom(fd, field(result, "address"), field(result, "data"));
      case "recvOutOfBand":
        if (filled instanceof Uint8Array && filled.length > 0) table.urgent(fd, filled);
        return;
      default:
    }
  }

  #datagramFrom(fd: number, from: unknown, data: unknown): void {
    if (isInet(from) && data instanceof Uint8Array) this.#table.datagramFrom(fd, from, data);
  }

  #named(name: string | undefined, found: unknown): void {
    if (name === undefined || !Array.isArray(found)) return;
    this.#names.set(
      name,
      found.filter((each) => typeof each === "string"),
    );
  }
}

/** NaN for what is no number. */
const numberIn = (value: unknown): number => (typeof value === "number" ? value : Number.NaN);

function field(of: unknown, name: string): unknown {
  return typeof of === "object" && of !== null ? (of as Record<string, unknown>)[name] : undefined;
}

function isInet(value: unknown): value is InetAddress {
  return typeof field(value, "host") === "string" && typeof field(value, "port") === "number";
}
