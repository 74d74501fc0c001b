/**
 * Owns recording a guest: each call of preview 1 is made, and what it was given and has answered is put into the recording,
 * with the bytes that it has written into the guest's memory. Knows the layouts of calls; knows no backend and no file.
 */

import { Event, Subscription } from "../../wasi/layout.js";
import type { LinearMemory } from "../../wasi/poll-oneoff.js";
import type { RecordingWriter } from "../../record/writer.js";
import type { GuestExit } from "../exit.js";
import type { GuestCalls, GuestObserver } from "../instance.js";
import { Body } from "./body.js";
import { ENTERED, GuestEnd, GuestRecord } from "./format.js";
import { hashMemory } from "./hash.js";
import { type CallLayout, layoutOf, type Output, VARIED } from "./layouts.js";
import {
  addressAt,
  bufferOf,
  bytesAt,
  CallMemory,
  hashSubscriptions,
  leftBehind,
  numberOf,
  type Parameter,
  storedAt,
  Vector,
} from "./values.js";

type Call = (...parameters: Parameter[]) => unknown;

/** Calls before which what was recorded is written, because they may wait: a guest is often killed while it does. */
const WAITING: ReadonlySet<string> = new Set(["poll_oneoff", "fd_read", "sock_accept", "sock_recv"]);
/** So many blocks may be written for this reason in a row, and one more each millisecond: under load it costs next to nothing. */
const FLUSHES_MAX = 50;

const NO_BYTES = new Uint8Array(0);

export interface RecorderOptions {
  /** Is the memory hashed in each turn? It costs about a millisecond for each megabyte. */
  readonly hashes?: boolean | undefined;
}

/** The calls of a guest that is recorded. */
export class GuestRecorder implements GuestCalls, GuestObserver {
  readonly imports: Readonly<Record<string, Call>>;
  readonly #calls: GuestCalls;
  readonly #writer: RecordingWriter;
  readonly #memory = new CallMemory();
  readonly #vector = new Vector();
  readonly #body = new Body();
  readonly #hashes: boolean;
  readonly #strings: Readonly<Record<"args" | "environ", { readonly count: number; readonly bytes: number }>>;
  #timeoutNs: bigint | undefined;
  #flushes = FLUSHES_MAX;
  #flushedMs = 0;

  /** @param functions the names of all that may be called, as the header of the recording has them */
  constructor(calls: GuestCalls, functions: readonly string[], writer: RecordingWriter, options: RecorderOptions = {}) {
    this.#calls = calls;
    this.#writer = writer;
    this.#hashes = options.hashes === true;
    this.#strings = { args: sizes(calls, "args_sizes_get"), environ: sizes(calls, "environ_sizes_get") };
    const given = calls.imports as Readonly<Record<string, Call>>;
    const imports: Record<string, Call> = {};
    for (const [place, name] of functions.entries()) {
      const call = given[name];
      if (call !== undefined) imports[name] = this.#recorded(place, name, call);
    }
    this.imports = imports;
  }

  get exit(): GuestExit | undefined {
    return this.#calls.exit;
  }

  attach(memory: LinearMemory): void {
    this.#memory.attach(memory);
    this.#calls.attach(memory);
  }

  entering(name: string, timeoutNs?: bigint): void {
    const body = this.#body.clear();
    body.varint(Math.max(0, ENTERED.indexOf(name)));
    if (timeoutNs !== undefined) {
      const isChanged = timeoutNs !== this.#timeoutNs;
      body.varint(Number(isChanged));
      if (isChanged) body.parameter(timeoutNs);
      this.#timeoutNs = timeoutNs;
    }
    this.#put(GuestRecord.ENTER, NO_BYTES);
  }

  left(result: unknown): void {
    this.#body.clear().varint(typeof result === "number" ? result >>> 0 : 0);
    this.#put(GuestRecord.LEAVE, NO_BYTES);
    this.#beforeWait();
  }

  /** It has returned, or called proc_exit. */
  exited(code: number): void {
    this.#body.clear().varint(GuestEnd.EXIT);
    this.#body.varint(code >>> 0);
    this.#end(NO_BYTES);
  }

  trapped(message: string): void {
    this.#body.clear().varint(GuestEnd.TRAP);
    this.#end(new TextEncoder().encode(message));
  }

  /** The host has ended it between two calls. */
  stopped(): void {
    this.#body.clear().varint(GuestEnd.STOPPED);
    this.#end(NO_BYTES);
  }

  #end(text: Uint8Array): void {
    this.#put(GuestRecord.END, text);
    this.#writer.end();
  }

  #put(kind: number, payload: Uint8Array): void {
    const writer = this.#writer;
    writer.open(kind, this.#body.length + payload.length);
    this.#body.copyTo(writer);
    writer.bytes(payload, payload.length);
    writer.close();
    if (writer.isFull) writer.flush();
  }

  #recorded(place: number, name: string, call: Call): Call {
    const kind = GuestRecord.CALL + place;
    const before: Parameter[] = [];
    const waits = WAITING.has(name);
    const isTurn = name === "poll_oneoff";
    const isVaried = VARIED.has(name);
    let layout = layoutOf(name, 0);
    return (...parameters) => {
      this.#memory.follow();
      if (isVaried) layout = layoutOf(name, parameters.length);
      if (isTurn && this.#hashes) this.#hash();
      if (waits) this.#beforeWait();
      this.#describe(layout, parameters, before);
      if (name === "proc_exit") {
        this.#put(kind, NO_BYTES);
        return call(...parameters);
      }
      const address =
        layout.address === undefined ? NO_BYTES : addressAt(this.#memory, numberOf(parameters[layout.address]));
      let errno: unknown;
      try {
        errno = call(...parameters);
      } catch (error) {
        // The call is not in the recording: the next one is not told by what is different from it.
        before.length = 0;
        throw error;
      }
      this.#answer(kind, layout, parameters, typeof errno === "number" ? errno : 0, address);
      return errno;
    };
  }

  #hash(): void {
    this.#body.clear().hash(hashMemory(this.#memory.buffer));
    this.#put(GuestRecord.HASH, NO_BYTES);
  }

  #beforeWait(): void {
    const nowMs = performance.now();
    this.#flushes = Math.min(FLUSHES_MAX, this.#flushes + nowMs - this.#flushedMs);
    this.#flushedMs = nowMs;
    if (this.#flushes < 1) return;
    this.#flushes -= 1;
    this.#writer.flush();
  }

  /** What the call is given. */
  #describe(layout: CallLayout, parameters: readonly Parameter[], before: Parameter[]): void {
    const body = this.#body.clear();
    const memory = this.#memory;
    let total = 0;
    if (layout.vector !== undefined) {
      const [at, count] = layout.vector;
      this.#vector.read(memory, numberOf(parameters[at]), numberOf(parameters[count]));
      ({ total } = this.#vector);
    }
    body.parameters(parameters, layout.vector === undefined ? undefined : total, before);
    for (const input of layout.inputs) {
      const at = numberOf(parameters[input.at]);
      if (input.kind === "subscriptions") body.uint32(hashSubscriptions(memory, at, numberOf(parameters[input.count])));
      else if (input.kind === "address") body.counted(addressAt(memory, at));
      else body.counted(bytesAt(memory, at, numberOf(parameters[input.length]), input.max));
    }
  }

  /** What it has answered. */
  #answer(
    kind: number,
    layout: CallLayout,
    parameters: readonly Parameter[],
    errno: number,
    address: Uint8Array,
  ): void {
    const body = this.#body;
    const memory = this.#memory;
    body.varint(errno);
    if (errno !== 0) {
      this.#put(kind, leftBehind(memory, layout.output, parameters, errno));
      return;
    }
    if (layout.sent !== undefined) body.uint32(this.#vector.hash(memory, storedAt(memory, parameters[layout.sent])));
    for (const [parameter, bytes] of layout.values) {
      // Lengths and descriptors, which are small.
      if (bytes === 4) body.varint(storedAt(memory, parameters[parameter]));
      else body.bytes(bytesAt(memory, numberOf(parameters[parameter]), bytes));
    }
    if (layout.address !== undefined) body.counted(address);
    const { output } = layout;
    if (output === undefined) this.#put(kind, NO_BYTES);
    else if (output.kind === "vector") this.#putVector(kind, storedAt(memory, parameters[output.used]));
    else if (output.kind === "events") this.#put(kind, this.#events(output, parameters));
    else if (output.kind === "strings") {
      const { count, bytes } = this.#strings[output.of];
      const strings = numberOf(parameters[output.strings]);
      const addresses = numberOf(parameters[output.addresses]);
      body.varint(count);
      for (let i = 0; i < count; i++) body.uint32(storedAt(memory, addresses + 4 * i) - strings);
      this.#put(kind, bytesAt(memory, strings, bytes));
    } else this.#put(kind, bufferOf(memory, output, parameters));
  }

  #putVector(kind: number, length: number): void {
    const writer = this.#writer;
    const vector = this.#vector;
    const { bytes } = this.#memory;
    const received = Math.min(length, vector.total);
    writer.open(kind, this.#body.length + received);
    this.#body.copyTo(writer);
    vector.each(received, (at, part) => {
      const source = bytes.subarray(at, at + part);
      writer.bytes(source, part);
    });
    writer.close();
    if (writer.isFull) writer.flush();
  }

  /** Events by the place of their subscriptions; as they are in memory where they lie over those. */
  #events(output: Extract<Output, { kind: "events" }>, parameters: readonly Parameter[]): Uint8Array {
    const memory = this.#memory;
    const body = this.#body;
    const subscriptions = numberOf(parameters[output.subscriptions]);
    const events = numberOf(parameters[output.events]);
    const count = numberOf(parameters[output.subscribed]);
    const happened = storedAt(memory, parameters[output.count]);
    const isOver = subscriptions < events + happened * Event.SIZE && events < subscriptions + count * Subscription.SIZE;
    const { length } = body;
    body.varint(0);
    if (!isOver && this.#putEvents(memory.view, subscriptions, count, events, happened)) return NO_BYTES;
    body.length = length;
    body.varint(1);
    return bytesAt(memory, events, happened * Event.SIZE);
  }

  /** @returns false where an event belongs to no subscription */
  #putEvents(view: DataView, subscriptions: number, count: number, events: number, happened: number): boolean {
    const body = this.#body;
    let place = 0;
    for (let i = 0, at = events; i < happened; i++, at += Event.SIZE) {
      const low = view.getInt32(at + Event.USERDATA, true);
      const high = view.getInt32(at + Event.USERDATA + 4, true);
      const type = view.getUint8(at + Event.TYPE);
      // They mostly come in the order of the subscriptions.
      let looked = 0;
      for (; looked < count; looked++) {
        const from = subscriptions + place * Subscription.SIZE;
        const isFound =
          view.getInt32(from + Subscription.USERDATA, true) === low &&
          view.getInt32(from + Subscription.USERDATA + 4, true) === high &&
          view.getUint8(from + Subscription.TAG) === type;
        if (isFound) break;
        place = place + 1 === count ? 0 : place + 1;
      }
      if (looked === count) return false;
      body.varint(place);
      body.varint(2 * view.getUint16(at + Event.ERROR, true) + (view.getUint16(at + Event.FLAGS, true) & 1));
      body.varint(view.getUint32(at + Event.NBYTES, true));
    }
    return true;
  }
}

/** How many strings there are, and their bytes: asked for in a memory of our own. */
function sizes(calls: GuestCalls, name: string): { readonly count: number; readonly bytes: number } {
  const view = new DataView(new ArrayBuffer(8));
  calls.attach({ buffer: view.buffer as ArrayBuffer });
  (calls.imports as Readonly<Record<string, Call>>)[name]?.(0, 4);
  return { count: view.getUint32(0, true), bytes: view.getUint32(4, true) };
}
