/**
 * Owns a scripted outside for engine.wasm: a poll that answers what a test says, a clock that a test sets, handlers
 * that do what a test says and leave a trace. Knows the engine's ABI and WASI's bytes; knows no backend and no
 * handler class.
 */

import {
  Interest,
  Kind,
  Pause,
  State,
  Verdict,
  instantiateEngine,
  readStatistics,
  type EngineExports,
  type EngineImports,
  type EngineStatistics,
} from "../../host/loop/engine.js";
import {
  CLOCK,
  EVENT_SIZE,
  FD_PRIORITY,
  FD_READ,
  FD_WRITE,
  MONOTONIC,
  readSubscriptions,
  writeEvent,
  type WasiEvent,
  type WasiSubscription,
} from "./wasi-bytes.js";

export { Errno } from "./wasi-bytes.js";
export { Interest, Pause, State, Verdict };

export const READ_WRITE = Interest.READ | Interest.WRITE;

const KIND_NAMES = new Map(Object.entries(Kind).map(([name, kind]) => [kind as number, name.toLowerCase()]));

/** A channel or a timer, by the name that the trace has for it. */
export interface Named {
  readonly name: string;
  readonly slot: number;
  readonly generation: number;
}

export interface ScriptedChannel extends Named {
  readonly fd: number;
  /** What it answers when it is sampled. */
  wants: number;
}

export interface ChannelOptions {
  readonly fd?: number;
  readonly state?: number;
  readonly interest?: number;
  readonly sampled?: boolean;
  readonly stream?: boolean;
}

/** An entry of the change log. */
export interface LoggedChange {
  readonly fd: number;
  readonly interest: number;
  readonly slot: number;
  readonly generation: number;
}

/** What the engine showed a poll. */
export interface Poll {
  /** Those of descriptors. */
  readonly subscriptions: readonly WasiSubscription[];
  readonly timeoutNs: bigint;
  readonly changes: readonly LoggedChange[];
}

export function userdataOf({ slot, generation }: Named): bigint {
  return (BigInt(generation >>> 0) << 32n) | BigInt(slot);
}

type Details = Partial<Pick<WasiEvent, "error" | "nbytes" | "hangup">>;

function event(of: Named, type: number, details: Details): WasiEvent {
  return { userdata: userdataOf(of), type, error: 0, nbytes: 1, hangup: false, ...details };
}

export const readable = (channel: Named, details: Details = {}): WasiEvent => event(channel, FD_READ, details);
export const writable = (channel: Named, details: Details = {}): WasiEvent => event(channel, FD_WRITE, details);
export const urgent = (channel: Named): WasiEvent => event(channel, FD_PRIORITY, {});

/** The engine did not add what it was to add. */
export class Refusal extends Error {
  constructor(readonly answer: number) {
    super(`the engine answered ${answer}`);
  }
}

export class EngineHarness {
  readonly engine: EngineExports;
  /** Whole milliseconds of the monotonic clock. */
  nowMs = 1000;
  /** What was told in the last turn: "read a", "error b 14". */
  trace: string[] = [];
  /** Who was sampled in the last turn. */
  sampled: string[] = [];
  /** How long the last turn said that it may wait. */
  waitMs = Number.NaN;
  /** What the last turn returned. */
  result = Number.NaN;
  poll: Poll = { subscriptions: [], timeoutNs: 0n, changes: [] };
  /** A kernel's set, kept by the change log alone: interest by descriptor. */
  readonly kernel = new Map<number, number>();

  readonly #channels = new Map<number, ScriptedChannel>();
  readonly #timers = new Map<number, Named>();
  readonly #callbacks = new Map<string, () => void>();
  readonly #verdicts = new Map<string, number | (() => number)>();
  #answer: readonly WasiEvent[] | number = [];
  #nextFd = 100;

  /** @param module a changed engine.wasm, compiled */
  constructor(module?: object) {
    const imports: EngineImports = {
      pollOneoff: (subscriptions, events, count, countAt) => this.#poll(subscriptions, events, count, countAt),
      clockTimeGet: (clock, _precision, at) => this.#writeTime(clock, at),
      ask: (slot) => this.#ask(slot),
      deliver: (slot, kind, detail) => this.#deliver(slot, kind, detail),
    };
    this.engine = instantiateEngine(imports, module);
  }

  /** Adds a channel: by default an open stream that is not sampled and wants to read. */
  add(name: string, options: ChannelOptions = {}): ScriptedChannel {
    const {
      fd = this.#nextFd++,
      state = State.OPEN,
      interest = Interest.READ,
      sampled = false,
      stream = true,
    } = options;
    const slot = this.engine.channelAdd(fd, state, interest, Number(sampled), Number(stream));
    if (slot < 0) throw new Refusal(slot);
    const channel = { name, fd, slot, generation: this.engine.channelGeneration(slot), wants: interest };
    this.#channels.set(slot, channel);
    return channel;
  }

  remove({ slot, generation }: Named): boolean {
    const removed = this.engine.channelRemove(slot, generation) !== 0;
    if (removed) this.#channels.delete(slot);
    return removed;
  }

  setInterest({ slot, generation }: Named, interest: number): void {
    this.engine.channelSetInterest(slot, generation, interest);
  }

  setState({ slot, generation }: Named, state: number): void {
    this.engine.channelSetState(slot, generation, state);
  }

  endInput({ slot, generation }: Named): void {
    this.engine.channelEndInput(slot, generation);
  }

  /** @returns one of `Pause` */
  pause({ slot, generation }: Named): number {
    return this.engine.channelPause(slot, generation);
  }

  takeError({ slot, generation }: Named): number {
    return this.engine.channelTakeError(slot, generation);
  }

  /** Starts a timer `delayMs` from now. */
  startTimer(name: string, delayMs: number, periodMs = 0): Named {
    return this.startTimerAt(name, this.nowMs + delayMs, periodMs);
  }

  /** Starts a timer for a time of the clock. */
  startTimerAt(name: string, deadlineMs: number, periodMs = 0): Named {
    const slot = this.engine.timerAdd(deadlineMs, periodMs);
    if (slot < 0) throw new Refusal(slot);
    const timer = { name, slot, generation: this.engine.timerGeneration(slot) };
    this.#timers.set(slot, timer);
    return timer;
  }

  cancelTimer({ slot, generation }: Named): boolean {
    return this.engine.timerCancel(slot, generation) !== 0;
  }

  /** Does something whenever `event` ("read a", "error a 14", "ask a", "wait", "poll") comes: "wait" between a turn's two halves. */
  when(event: string, callback: () => void): void {
    this.#callbacks.set(event, callback);
  }

  /** What the handler answers to `event` from now on. */
  answer(event: string, verdict: number | (() => number)): void {
    this.#verdicts.set(event, verdict);
  }

  /** One turn. @param found the events that the poll returns, or its errno. @returns what was told */
  turn(found: readonly WasiEvent[] | number = [], { byChannel = false, timeoutMs = Infinity } = {}): string[] {
    this.trace = [];
    this.sampled = [];
    this.#answer = found;
    this.waitMs = this.engine.turnPrepare(timeoutMs);
    this.#callbacks.get("wait")?.();
    this.result = this.engine.turnRun(this.waitMs, Number(byChannel));
    return this.trace;
  }

  /** "read a" and the like for each subscription that the last poll was shown, sorted. */
  watched(): string[] {
    return this.poll.subscriptions
      .map(({ userdata, tag, id }) => {
        const channel = this.#channels.get(Number(userdata & 0xffff_ffffn));
        const own = channel !== undefined && userdataOf(channel) === userdata && channel.fd === id;
        return `${tag === FD_READ ? "read" : "write"} ${own ? channel.name : `stranger ${id}`}`;
      })
      .toSorted();
  }

  statistics(): EngineStatistics {
    return readStatistics(this.engine);
  }

  #poll(subscriptionsAt: number, eventsAt: number, count: number, countAt: number): number {
    this.#callbacks.get("poll")?.();
    const memory = this.engine.memory.buffer;
    const [clock, ...subscriptions] = readSubscriptions(memory, subscriptionsAt, count);
    if (clock?.tag !== CLOCK || clock.id !== MONOTONIC || clock.absolute || clock.timeoutNs <= 0n) {
      throw new Error("the first subscription is no relative monotonic clock with a time to wait");
    }
    if (subscriptions.some(({ tag }) => tag !== FD_READ && tag !== FD_WRITE)) throw new Error("a second clock");
    this.poll = { subscriptions, timeoutNs: clock.timeoutNs, changes: this.#readChanges() };
    if (typeof this.#answer === "number") return this.#answer;
    this.#answer.forEach((each, index) => writeEvent(memory, eventsAt + index * EVENT_SIZE, each));
    new DataView(memory).setUint32(countAt, this.#answer.length, true);
    return 0;
  }

  #readChanges(): LoggedChange[] {
    const count = this.engine.changeCount();
    const view = new DataView(this.engine.memory.buffer, this.engine.changesAt(), count * 16);
    return Array.from({ length: count }, (_, index) => {
      const [fd = 0, interest = 0, slot = 0, generation = 0] = [0, 4, 8, 12].map((at) =>
        view.getInt32(index * 16 + at, true),
      );
      if (interest === 0) this.kernel.delete(fd);
      else this.kernel.set(fd, interest);
      return { fd, interest, slot, generation };
    });
  }

  #writeTime(clock: number, at: number): number {
    if (clock !== MONOTONIC) throw new Error(`the engine asked for clock ${clock}`);
    new DataView(this.engine.memory.buffer).setBigUint64(at, BigInt(this.nowMs) * 1_000_000n, true);
    return 0;
  }

  #ask(slot: number): number {
    const channel = this.#channels.get(slot);
    if (channel === undefined) throw new Error(`slot ${slot} was sampled, and no channel is there`);
    this.sampled.push(channel.name);
    this.#callbacks.get(`ask ${channel.name}`)?.();
    return channel.wants;
  }

  #deliver(slot: number, kind: number, detail: number): number {
    const named = kind === Kind.TIMER ? this.#timers.get(slot) : this.#channels.get(slot);
    const event = `${KIND_NAMES.get(kind) ?? kind} ${named?.name ?? `nobody in slot ${slot}`}`;
    const what = detail === 0 ? event : `${event} ${detail}`;
    this.trace.push(what);
    this.#callbacks.get(what)?.();
    const verdict = this.#verdicts.get(what) ?? Verdict.GO_ON;
    return typeof verdict === "number" ? verdict : verdict();
  }
}
