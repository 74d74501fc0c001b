/**
 * Owns making a timeline of a guest's recording. Knows recordings of guests and timelines; knows no file and no page. What a
 * record says is checked where it is read: a recording may come from anywhere.
 */

import { counted } from "../backend/counted.js";
import { inspectAddress } from "../backend/inspect.js";
import { addressOf } from "../guest/addresses.js";
import { type CallAnswer, digestOf, ExpectedCalls, readAnswer, word } from "../guest/record/expected.js";
import { GuestEnd, guestDetails, GuestRecord } from "../guest/record/format.js";
import { type CallLayout, layoutOf } from "../guest/record/layouts.js";
import { Flag, RecordingError } from "../record/format.js";
import type { Fields, RecordingReader } from "../record/reader.js";
import { ERRNO_AGAIN, ERRNO_BADF, ERRNO_INPROGRESS, wasiErrorCode } from "../wasi/errno.js";
import { OpenLanes } from "./open-lanes.js";
import type { Timeline } from "./timeline.js";

const NS_PER_US = 1000;
const NS_PER_MS = 1e6;
/** `ri_flags`: what is received stays unread. */
const PEEK = 1;
/** `sock_open`: a socket for datagrams. */
const DATAGRAMS = 1;
/** `sock_opt_so`: SO_ERROR, at the level of sockets, which is 0. */
const SO_ERROR = 2;
const HOWS = ["", "read", "write", "both"];
/** Calls whose failure is an error of their channel, besides those that move bytes. */
const OF_CHANNEL: ReadonlySet<string> = new Set(["sock_accept", "sock_bind", "sock_connect", "sock_listen"]);

/** @throws RecordingError for what is damaged */
export function guestTimeline(reader: RecordingReader, title: string): Timeline {
  return new GuestReading(reader, title).timeline();
}

class GuestReading extends OpenLanes {
  readonly #reader: RecordingReader;
  readonly #calls: readonly ExpectedCalls[];
  readonly #hasReceived: boolean;
  readonly #hasSent: boolean;
  /** The lane of the guest itself, for what belongs to no descriptor. */
  readonly #guest: number;
  /** Version 1 has no times: there the time is the number of calls. */
  readonly #hasTimes: boolean;
  #nowNs = 0;
  /** The first event since the clock was read. */
  #sinceTick = 0;
  /** Of the turn that has begun, until its wait is over: how many events it found. */
  #ready: number | undefined;
  /** Of the connection that is accepted next. */
  #peer = "";

  constructor(reader: RecordingReader, title: string) {
    super(title, Number(reader.header.realtimeNs) / NS_PER_MS);
    const { version, name, functions, opened, sent } = guestDetails(reader.header);
    this.#reader = reader;
    this.#calls = functions.map((each) => new ExpectedCalls(each));
    this.#hasReceived = (reader.header.flags & Flag.NO_PAYLOADS) === 0;
    this.#hasSent = sent;
    this.#hasTimes = version > 1;
    this.#guest = this.built.open(undefined, 0, name);
    for (const [index, each] of opened.entries()) this.opened(FIRST_OPENED + index, each);
    this.#sinceTick = this.built.eventCount;
  }

  timeline(): Timeline {
    const reader = this.#reader;
    while (reader.next()) this.#record(reader.kind, reader.fields);
    if (reader.ending !== "whole") this.built.incomplete = "the recording was cut off";
    return this.built.timeline();
  }

  #record(kind: number, fields: Fields): void {
    switch (kind) {
      case GuestRecord.ENTER:
      case GuestRecord.LEAVE:
      case GuestRecord.HASH:
        return;
      case GuestRecord.WAITS:
        return this.#tick(fields.varint(), true);
      case GuestRecord.GOES_ON:
        return this.#tick(fields.varint(), false);
      case GuestRecord.PEER:
        this.#peer = textOf(fields.rest());
        return;
      case GuestRecord.END:
        return this.#ended(fields);
      default:
        this.#call(kind - GuestRecord.CALL, fields);
    }
  }

  /** What happened since the clock was read is spread evenly; what a call found that has waited, came when the wait was over. */
  #tick(passedNs: number, waits: boolean): void {
    const beforeUs = this.atUs;
    this.#nowNs += passedNs;
    this.atUs = this.#nowNs / NS_PER_US;
    this.built.spread(this.#sinceTick, waits ? beforeUs : this.atUs, this.atUs);
    this.#sinceTick = this.built.eventCount;
    if (waits) this.built.endTurn(this.atUs);
    else if (this.#ready !== undefined) this.built.endWait(this.atUs, this.#ready);
    this.#ready = undefined;
  }

  #ended(fields: Fields): void {
    const reason = fields.varint();
    const guest = this.#guest;
    if (reason === GuestEnd.TRAP) return this.event(guest, "error", textOf(fields.rest()));
    if (reason !== GuestEnd.EXIT) return this.event(guest, "note", "its host ends it");
    const status = word(fields);
    this.event(guest, status === 0 ? "note" : "error", `exits with status ${status}`);
  }

  #call(place: number, fields: Fields): void {
    const call = this.#calls[place];
    if (call === undefined) throw new RecordingError(`damaged: a record of kind ${place + GuestRecord.CALL}`);
    const layout = layoutOf(call.name, Infinity);
    call.read(fields);
    if (!this.#hasTimes) this.#count(call.name);
    const inputs: Uint8Array[] = [];
    for (const { kind } of layout.inputs) {
      if (kind === "subscriptions") fields.uint32();
      else inputs.push(fields.bytesOf(fields.varint()));
    }
    if (call.name === "proc_exit") return;
    const errno = word(fields);
    if (errno === 0) this.#answered(call, inputs, readAnswer(call, fields, this.#hasReceived));
    else this.#failed(call, layout, errno, inputs);
  }

  #count(name: string): void {
    this.atUs += 1;
    if (name === "poll_oneoff") this.built.endTurn(this.atUs);
  }

  #failed(call: ExpectedCalls, layout: CallLayout, errno: number, inputs: readonly Uint8Array[]): void {
    const { name } = call;
    const code = wasiErrorCode(errno);
    if (name === "poll_oneoff") return this.event(this.#guest, "error", code);
    const fd = call.parameter(name === "path_symlink" ? 2 : 0);
    // How a guest finds out which descriptors it has.
    if (name === "fd_prestat_get" || (errno === ERRNO_BADF && !this.isOpen(fd))) return;
    if (name.startsWith("path_")) {
      return this.event(this.laneOf(fd), "note", `${code}: ${inputs.map(textOf).join(" ")}`);
    }
    if (!/^(?:fd|sock)_/.test(name) || name === "sock_open") {
      return this.event(this.#guest, "note", `${name}: ${code}`);
    }
    if (layout.vector === undefined && !OF_CHANNEL.has(name)) {
      return this.event(this.laneOf(fd), "note", `${name}: ${code}`);
    }
    const lane = this.laneOf(fd);
    if (name === "sock_connect") this.#connects(call, inputs);
    if (errno === ERRNO_AGAIN) {
      // Level-triggered reads end with one.
      if (layout.sent !== undefined) this.event(lane, "blocked");
    } else if (name !== "sock_connect" || errno !== ERRNO_INPROGRESS) this.event(lane, "error", code);
  }

  #answered(call: ExpectedCalls, inputs: readonly Uint8Array[], answer: CallAnswer): void {
    const { name } = call;
    const fd = call.parameter(0);
    const [first = 0] = answer.values;
    switch (name) {
      case "poll_oneoff":
        this.#ready = first;
        this.built.beginTurn(this.atUs);
        return this.built.endWait(this.atUs, first);
      case "fd_read":
      case "fd_pread":
      case "sock_recv":
        if (name === "sock_recv" && (call.parameter(3) & PEEK) !== 0) {
          return this.event(this.laneOf(fd), "note", `${counted(first, "byte")}, unread`);
        }
        return this.#received(fd, first, call.total, answer.rest, "");
      case "sock_recv_from":
        return this.#received(
          fd,
          answer.values.at(-1) ?? 0,
          call.total,
          answer.rest,
          addressText(answer.address, answer.values.length > 1 ? first : 0),
        );
      case "fd_write":
      case "fd_pwrite":
      case "sock_send":
        return this.#sent(fd, call.total, answer, "");
      case "sock_send_to":
        return this.#sent(fd, call.total, answer, addressText(inputs[0], call.parameter(4)));
      case "fd_close":
        return this.closed(fd);
      case "fd_renumber": {
        const known = this.built.lanes[this.laneOf(fd)]?.name ?? "";
        const isForDatagrams = this.isForDatagrams(fd);
        this.closed(fd);
        this.opened(call.parameter(1), known);
        if (isForDatagrams) this.forDatagrams(call.parameter(1));
        return;
      }
      case "path_open":
        return this.opened(first, textOf(inputs[0]));
      default:
        if (name.startsWith("sock_")) this.#ofSocket(call, inputs, answer);
    }
  }

  #ofSocket(call: ExpectedCalls, inputs: readonly Uint8Array[], { values, address, rest }: CallAnswer): void {
    const fd = call.parameter(0);
    const [first = 0] = values;
    switch (call.name) {
      case "sock_accept":
        this.opened(first, this.#peer === "" ? "accepted" : `from ${this.#peer}`);
        this.event(this.laneOf(fd), "accept", this.#peer);
        this.#peer = "";
        return;
      case "sock_open":
        this.opened(first, "socket");
        if (call.parameter(1) === DATAGRAMS) this.forDatagrams(first);
        return;
      case "sock_bind":
        return this.rename(fd, () => addressText(inputs[0], call.parameter(2)));
      case "sock_listen":
        return this.rename(fd, (known) => `listening ${known}`);
      case "sock_connect":
        return this.#connects(call, inputs);
      case "sock_getlocaladdr":
        return this.rename(fd, (known) =>
          known.startsWith("listening") ? `listening ${addressText(address, values.at(-1) ?? 0)}` : known,
        );
      case "sock_getpeeraddr":
        return this.rename(fd, (known) =>
          known === "accepted" ? `from ${addressText(address, values.at(-1) ?? 0)}` : known,
        );
      case "sock_getsockopt":
        if (call.parameter(1) === 0 && call.parameter(2) === SO_ERROR && (rest[0] ?? 0) > 0) {
          this.event(this.laneOf(fd), "error", wasiErrorCode(rest[0] ?? 0));
        }
        return;
      case "sock_shutdown":
        return this.event(this.laneOf(fd), "note", `shutdown: ${HOWS[call.parameter(1)] ?? ""}`);
      default:
    }
  }

  #connects(call: ExpectedCalls, inputs: readonly Uint8Array[]): void {
    const fd = call.parameter(0);
    const text = addressText(inputs[0], call.parameter(2));
    this.rename(fd, () => `to ${text}`);
    this.event(this.laneOf(fd), "connect", text);
  }

  #received(fd: number, bytes: number, room: number, rest: Uint8Array, text: string): void {
    const lane = this.laneOf(fd);
    if (bytes === 0 && !this.isForDatagrams(fd)) {
      if (room > 0) this.event(lane, "end of input");
      return;
    }
    const digest = digestOf(rest, this.#hasReceived);
    const known = this.#hasReceived ? { content: rest, digest } : { digest };
    this.built.add({ lane, atUs: this.atUs, kind: "read", bytes, text, ...known });
  }

  #sent(fd: number, total: number, { values, hash, rest }: CallAnswer, text: string): void {
    const lane = this.laneOf(fd);
    const [bytes = 0] = values;
    const known = this.#hasSent ? { content: rest } : {};
    this.built.add({ lane, atUs: this.atUs, kind: "write", bytes, text, digest: hash, ...known });
    if (bytes < total)
      this.event(lane, "blocked", `${counted(total - bytes, "byte")} ${total - bytes === 1 ? "waits" : "wait"}`);
  }
}

/** Standard input, output and error come before them. */
const FIRST_OPENED = 3;

const decoder = new TextDecoder();
const textOf = (bytes: Uint8Array | undefined): string => (bytes === undefined ? "" : decoder.decode(bytes));

function addressText(bytes: Uint8Array | undefined, port: number): string {
  const address = bytes === undefined ? undefined : addressOf(bytes, port);
  return typeof address === "object" ? (inspectAddress(address) ?? "") : "";
}
