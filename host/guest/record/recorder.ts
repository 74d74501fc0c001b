/**
 * Owns recording a guest: each call of preview 1 is made, and what it was given and has answered is put into the recording,
 * with the bytes that it has written into the guest's memory. Knows the layouts of calls; knows no backend and no file.
 */

import type { SocketAddress } from "../../backend/addresses.js";
import { inspectAddress } from "../../backend/inspect.js";
import { Event, Subscription } from "../../wasi/layout.js";
import type { LinearMemory } from "../../wasi/poll-oneoff.js";
import type { RecordingWriter } from "../../record/writer.js";
import type { GuestExit } from "../exit.js";
import type { GuestCalls, GuestObserver } from "../instance.js";
import { Body } from "./body.js";
import { type ContentOptions, Contents } from "./contents.js";
import { ENTERED, GuestEnd, GuestRecord } from "./format.js";
import { hashMemory } from "./hash.js";
import { type CallLayout, layoutOf, type Output, VARIED } from "./layouts.js";
import { MOVING, type MovingCall, recordMoving } from "./moving.js";
import { Times } from "./times.js";
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
} from "./values.js";

type Call = (...parameters: Parameter[]) => unknown;

const HASH_BYTES = 4;

const NO_BYTES = new Uint8Array(0);

export interface RecorderOptions extends ContentOptions {
  /** Is the memory hashed in each turn? It costs about a millisecond for each megabyte. */
  readonly hashes?: boolean | undefined;
}

/** The calls of a guest that is recorded. */
export class GuestRecorder implements GuestCalls, GuestObserver {
  readonly imports: Readonly<Record<string, unknown>>;
  readonly #calls: GuestCalls;
  readonly #writer: RecordingWriter;
  readonly #memory = new CallMemory();
  readonly #contents: Contents;
  readonly #times: Times;
  readonly #body = new Body();
  readonly #hashes: boolean;
  readonly #strings: Readonly<Record<"args" | "environ", { readonly count: number; readonly bytes: number }>>;
  #timeoutNs: bigint | undefined;
  /** The export that was called last. */
  #entered = "";

  /** @param functions the names of all that may be called, as the header of the recording has them */
  constructor(calls: GuestCalls, functions: readonly string[], writer: RecordingWriter, options: RecorderOptions = {}) {
    this.#calls = calls;
    this.#writer = writer;
    this.#contents = new Contents(this.#memory, writer, options);
    this.#times = new Times(writer);
    this.#hashes = options.hashes === true;
    this.#strings = { args: sizes(calls, "args_sizes_get"), environ: sizes(calls, "environ_sizes_get") };
    const given = calls.imports as Readonly<Record<string, Call>>;
    const imports: Record<string, unknown> = {};
    const parts = { memory: this.#memory, writer, contents: this.#contents, close: () => this.#close() };
    for (const [place, name] of functions.entries()) {
      const call = given[name];
      if (call === undefined) continue;
      const kind = GuestRecord.CALL + place;
      imports[name] = MOVING.has(name)
        ? recordMoving(kind, name, call as MovingCall, parts)
        : this.#recorded(kind, name, call);
    }
    this.imports = imports;
    if (calls.watcher === undefined) return;
    calls.watcher.waits = () => this.#times.waits(true);
    calls.watcher.accepted = (address) => this.#accepted(address);
  }

  get exit(): GuestExit | undefined {
    return this.#calls.exit;
  }

  attach(memory: LinearMemory): void {
    this.#memory.attach(memory);
    this.#calls.attach(memory);
  }

  entering(name: string, timeoutNs?: bigint): void {
    if (this.#times.isWaiting) this.#times.goesOn();
    this.#entered = name;
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
    // After a turn its host asks what is pending, and waits then.
    this.#times.waits(this.#entered !== "turn");
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
    this.#times.record(GuestRecord.WAITS);
    this.#put(GuestRecord.END, text);
    this.#writer.end();
  }

  #put(kind: number, payload: Uint8Array): void {
    const writer = this.#writer;
    writer.open(kind, this.#body.length + payload.length);
    this.#body.copyTo(writer);
    writer.bytes(payload, payload.length);
    this.#close();
  }

  /** Of the record that is open. */
  #close(): void {
    const writer = this.#writer;
    writer.close();
    if (this.#times.isWaiting) this.#times.goesOn();
    if (writer.isFull) writer.flush();
  }

  #recorded(kind: number, name: string, call: Call): Call {
    const before: Parameter[] = [];
    const isTurn = name === "poll_oneoff";
    const isVaried = VARIED.has(name);
    let layout = layoutOf(name, 0);
    return (...parameters) => {
      this.#memory.follow();
      if (isVaried) layout = layoutOf(name, parameters.length);
      if (isTurn) this.#beginTurn();
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

  #beginTurn(): void {
    if (this.#hashes) {
      this.#body.clear().hash(hashMemory(this.#memory.buffer));
      this.#put(GuestRecord.HASH, NO_BYTES);
    }
    // Within a turn of its host's it does not wait.
    if (this.#entered !== "turn") this.#times.waits(true);
  }

  #accepted(address: SocketAddress): void {
    const text = inspectAddress(address);
    if (text !== undefined) this.#writer.add(GuestRecord.PEER, Buffer.from(text));
  }

  /** What the call is given. */
  #describe(layout: CallLayout, parameters: readonly Parameter[], before: Parameter[]): void {
    const body = this.#body.clear();
    const memory = this.#memory;
    let total = 0;
    if (layout.vector !== undefined) {
      const [at, count] = layout.vector;
      this.#contents.vector.read(memory, numberOf(parameters[at]), numberOf(parameters[count]));
      ({ total } = this.#contents.vector);
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
      const left = leftBehind(memory, layout.output, parameters, errno);
      // The rest of the buffer is what the guest had there: received bytes, perhaps.
      this.#put(kind, left.length === 0 ? left : this.#contents.kept(left));
      return;
    }
    const sent = layout.sent === undefined ? 0 : storedAt(memory, parameters[layout.sent]);
    if (layout.sent !== undefined) body.uint32(this.#contents.hashOfSent(sent));
    for (const [parameter, bytes] of layout.values) {
      // Lengths and descriptors, which are small.
      if (bytes === 4) body.varint(storedAt(memory, parameters[parameter]));
      else body.bytes(bytesAt(memory, numberOf(parameters[parameter]), bytes));
    }
    if (layout.address !== undefined) body.counted(address);
    const { output } = layout;
    if (output === undefined) this.#putContents(kind, layout.sent !== undefined && this.#contents.keepsSent ? sent : 0);
    else if (output.kind === "vector") this.#putContents(kind, storedAt(memory, parameters[output.used]));
    else if (output.kind === "events") this.#put(kind, this.#events(output, parameters));
    else if (output.kind === "strings") {
      const { count, bytes } = this.#strings[output.of];
      const strings = numberOf(parameters[output.strings]);
      const addresses = numberOf(parameters[output.addresses]);
      body.varint(count);
      for (let i = 0; i < count; i++) body.uint32(storedAt(memory, addresses + 4 * i) - strings);
      this.#put(kind, this.#contents.kept(bytesAt(memory, strings, bytes)));
    } else {
      const written = bufferOf(memory, output, parameters);
      this.#put(kind, output.kind === "filled" ? this.#contents.kept(written) : written);
    }
  }

  /** With the first `length` bytes of the vector behind the fields. */
  #putContents(kind: number, length: number): void {
    const writer = this.#writer;
    const contents = Math.min(length, this.#contents.vector.total);
    writer.open(kind, this.#body.length + contents + HASH_BYTES);
    this.#body.copyTo(writer);
    if (contents > 0) this.#contents.put(contents);
    this.#close();
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
