/**
 * Owns what a recording says of the peers of a program: who connected and when, what each sent and when, and how it ended.
 * Knows the records of a backend; knows no network and no world.
 *
 * Only what came from outside is taken: what the program did with it, and in which order, is not looked at.
 */

import { constants } from "node:os";
import type { InetAddress } from "../backend/addresses.js";
import { CALLS, Kind, NAMES, type RecordedCall } from "./calls.js";
import { Flag, RecordingError, RecordingKind } from "./format.js";
import { ROW_IS_LONG } from "./journal.js";
import type { Fields, RecordingReader } from "./reader.js";
import type { PeerScript, PeerScripts, PeerStep, ServingSocket } from "./peer-scripts.js";
import { readValue, textIn, Thrown } from "./values.js";

/** A descriptor of the program that is open. */
interface Descriptor {
  readonly type: "stream" | "dgram";
  /** Where it is bound; without a port where none is known. */
  local: InetAddress | undefined;
  requested: InetAddress | undefined;
  remote: InetAddress | undefined;
  /** The index of its {@link ServingSocket}, and since when it serves. */
  serving: number | undefined;
  servingNs: number;
  /** Of a connection. */
  peer: PeerScript | undefined;
  peerNs: number;
  /** Of datagrams: by the text of their address. */
  readonly peers: Map<string, { readonly script: PeerScript; readonly sinceNs: number }>;
}

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
  readonly #sockets: ServingSocket[] = [];
  readonly #peers: PeerScript[] = [];
  readonly #names = new Map<string, readonly string[]>();
  readonly #lookups = new Map<number, string>();
  readonly #open = new Map<number, Descriptor>();
  /** Connections that the program makes to a listener of its own, by the listener: the next that it accepts is one of them. */
  readonly #own = new Map<number, number>();
  /** Errors of sockets that the last wait has found. */
  readonly #found: [fd: number, error: number][] = [];
  readonly #hasSent: boolean;
  #readNs = 0;
  #nowNs = 0;

  constructor(reader: RecordingReader) {
    this.#reader = reader;
    this.#hasSent = reader.header.details.sent === true;
  }

  scripts(): PeerScripts {
    const reader = this.#reader;
    while (reader.next()) this.#record(reader.kind, reader.fields);
    return {
      sockets: this.#sockets,
      peers: this.#peers,
      names: this.#names,
      durationNs: this.#nowNs,
      hasSent: this.#hasSent,
    };
  }

  #record(kind: number, fields: Fields): void {
    if (kind === Kind.TICK) this.#nowNs = Math.max(this.#nowNs, this.#readNs + fields.signed());
    // The time of a wait comes after what it has found.
    for (const [fd, error] of this.#found.splice(0)) this.#failed(fd, error);
    switch (kind) {
      case Kind.CLOCK:
      case Kind.TURN_TIME:
        this.#readNs += fields.signed();
        this.#nowNs = Math.max(this.#nowNs, this.#readNs);
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
        return this.#received(fd, count, count > 0 ? fields.rest() : NO_DATA);
      }
      case Kind.SEND:
      case Kind.SEND_VECTOR:
      case Kind.WRITE: {
        const fd = fields.varint();
        const count = fields.signed();
        fields.varint();
        return this.#sent(fd, count, this.#hasSent ? fields.rest() : undefined);
      }
      case Kind.CLOSE:
        this.#open.delete(fields.varint());
        return;
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
    const of = this.#open.get(fd);
    switch (name) {
      case "socket":
        if (returned >= 0 && first !== "unix") this.#open.set(returned, descriptor(second));
        return;
      case "duplicate":
        if (returned >= 0 && of !== undefined) this.#open.set(returned, of);
        return;
      case "release":
        this.#open.delete(fd);
        return;
      case "bind":
        if (result !== 0 || of === undefined || !isInet(second)) return;
        of.local = second;
        of.requested = second;
        if (of.type === "dgram") this.#serves(of);
        return;
      case "listen":
        if (result === 0 && of !== undefined) this.#serves(of);
        return;
      case "localAddress":
        if (of !== undefined && isInet(result)) of.local = result;
        return;
      case "accept":
        return this.#accepted(fd, result);
      case "connect":
        return this.#connects(of, second, returned);
      case "getOption":
        if (second === "SO_ERROR" && returned > 0) this.#failed(fd, -returned);
        return;
      case "lookupSync":
        return this.#named(textIn(first), result);
      case "sendTo":
        return this.#datagramTo(fd, third, returned, second);
      case "recvFrom":
        return this.#datagramFrom(fd, field(result, "address"), filled);
      case "receiveFrom":
        return this.#datagramFrom(fd, field(result, "address"), field(result, "data"));
      case "recvOutOfBand":
        if (filled instanceof Uint8Array && filled.length > 0) this.#step(of, "urgent", filled);
        return;
      default:
    }
  }

  /** @returns the index of its {@link ServingSocket} */
  #serves(of: Descriptor): number {
    if (of.serving !== undefined) return of.serving;
    of.serving = this.#sockets.length;
    of.servingNs = this.#nowNs;
    this.#sockets.push({ type: of.type, port: of.requested?.port ?? 0, host: of.requested?.host ?? "" });
    return of.serving;
  }

  #accepted(listener: number, result: unknown): void {
    const fd = field(result, "fd");
    const remote = field(result, "address");
    if (typeof fd !== "number" || !isInet(remote)) return;
    let of = this.#open.get(listener);
    if (of === undefined) {
      // One that was open before the recording began.
      of = descriptor("stream");
      this.#open.set(listener, of);
    }
    const serving = this.#serves(of);
    const connection = descriptor("stream");
    this.#open.set(fd, connection);
    const own = this.#own.get(serving) ?? 0;
    if (own > 0) {
      this.#own.set(serving, own - 1);
      return;
    }
    this.#begins(connection, "accepted", serving, remote, this.#nowNs - of.servingNs);
  }

  #connects(of: Descriptor | undefined, to: unknown, result: number): void {
    if (of === undefined || !isInet(to)) return;
    if (of.type === "dgram") {
      of.remote = result === 0 ? to : undefined;
      return;
    }
    if (of.peer !== undefined || (result < 0 && result !== -constants.errno.EINPROGRESS)) return;
    for (const each of this.#open.values()) {
      if (each.serving === undefined || each.type !== "stream" || each.local?.port !== to.port) continue;
      if (each.local.host !== to.host && !isAnyHost(each.local.host)) continue;
      this.#own.set(each.serving, (this.#own.get(each.serving) ?? 0) + 1);
      return;
    }
    this.#begins(of, "connected", undefined, to, 0);
  }

  #begins(
    of: Descriptor,
    kind: PeerScript["kind"],
    socket: number | undefined,
    remote: InetAddress,
    beganNs: number,
  ): PeerScript {
    const answers = kind === "connected";
    const script: PeerScript = { kind, socket, remote, beganNs, answers, steps: [], sent: [], sentBytes: 0 };
    of.peer = script;
    of.peerNs = this.#nowNs;
    this.#peers.push(script);
    return script;
  }

  #received(fd: number, count: number, data: Uint8Array): void {
    const of = this.#open.get(fd);
    if (of?.type === "dgram") {
      // Of a socket that is not connected the sender is not known, where there are several.
      const [only, another] = of.peers.values();
      const from = of.remote ?? (another === undefined ? only?.script.remote : undefined);
      return count > 0 ? this.#datagramFrom(fd, from, data) : undefined;
    }
    if (count > 0) this.#step(of, "send", data);
    else if (count === 0) this.#step(of, "end", NO_DATA);
    else this.#failed(fd, count);
  }

  #sent(fd: number, count: number, data: Uint8Array | undefined): void {
    const of = this.#open.get(fd);
    if (of?.type === "dgram") return this.#datagramTo(fd, of.remote, count, data);
    const { peer } = of ?? {};
    if (count < 0) return this.#failed(fd, count);
    if (peer !== undefined) note(peer, data, count);
  }

  /** The peer has reset the connection, or has refused it. */
  #failed(fd: number, error: number): void {
    const { ECONNRESET, EPIPE, ECONNREFUSED } = constants.errno;
    if (![ECONNRESET, EPIPE, ECONNREFUSED].includes(-error)) return;
    this.#step(this.#open.get(fd), "reset", NO_DATA);
  }

  #step(of: Descriptor | undefined, kind: PeerStep["kind"], data: Uint8Array): void {
    const { peer, peerNs } = of ?? {};
    if (peer === undefined || peerNs === undefined) return;
    const last = peer.steps.at(-1)?.kind;
    // An end is read again and again.
    if (last === "reset" || (last === "end" && kind !== "reset")) return;
    peer.steps.push({ atNs: this.#nowNs - peerNs, kind, data });
  }

  #datagramTo(fd: number, to: unknown, count: number, data: unknown): void {
    const of = this.#open.get(fd);
    if (of === undefined || of.type !== "dgram" || !isInet(to) || count < 0) return;
    const script = this.#datagrams(of, to, true).script;
    note(script, data instanceof Uint8Array ? data : undefined, count);
  }

  #datagramFrom(fd: number, from: unknown, data: unknown): void {
    const of = this.#open.get(fd);
    if (of === undefined || of.type !== "dgram" || !isInet(from) || !(data instanceof Uint8Array)) return;
    const { script, sinceNs } = this.#datagrams(of, from, false);
    script.steps.push({ atNs: this.#nowNs - sinceNs, kind: "send", data });
  }

  /** @param answers is it the program that begins? */
  #datagrams(of: Descriptor, remote: InetAddress, answers: boolean): { script: PeerScript; sinceNs: number } {
    const key = `${remote.host} ${remote.port}`;
    const known = of.peers.get(key);
    if (known !== undefined) return known;
    // One that was bound by its first datagram is not looked for: the program begins.
    const socket = answers ? undefined : of.serving;
    const beganNs = answers ? 0 : this.#nowNs - of.servingNs;
    const script: PeerScript = {
      kind: "datagrams",
      socket,
      remote,
      beganNs,
      answers,
      steps: [],
      sent: [],
      sentBytes: 0,
    };
    this.#peers.push(script);
    const made = { script, sinceNs: this.#nowNs };
    of.peers.set(key, made);
    return made;
  }

  #named(name: string | undefined, found: unknown): void {
    if (name === undefined || !Array.isArray(found)) return;
    this.#names.set(
      name,
      found.filter((each) => typeof each === "string"),
    );
  }
}

function descriptor(type: unknown): Descriptor {
  return {
    type: type === "dgram" ? "dgram" : "stream",
    local: undefined,
    requested: undefined,
    remote: undefined,
    serving: undefined,
    servingNs: 0,
    peer: undefined,
    peerNs: 0,
    peers: new Map(),
  };
}

function note(peer: PeerScript, data: Uint8Array | undefined, count: number): void {
  peer.sentBytes += count;
  if (data !== undefined) peer.sent.push(data.subarray(0, count));
}

/** NaN for what is no number. */
const numberIn = (value: unknown): number => (typeof value === "number" ? value : Number.NaN);

const isAnyHost = (host: string): boolean => host === "0.0.0.0" || host === "::";

function field(of: unknown, name: string): unknown {
  return typeof of === "object" && of !== null ? (of as Record<string, unknown>)[name] : undefined;
}

function isInet(value: unknown): value is InetAddress {
  return typeof field(value, "host") === "string" && typeof field(value, "port") === "number";
}
