/**
 * Owns one engine and what its numbers mean: channels by slot, timers by slot, and the errors that must leave the loop.
 * Knows the engine, the backend seam and the channel seam; knows no handler class, and nothing of how a loop waits.
 */

import type { Backend, PollSet } from "../backend/backend.js";
import { type Channel, handleThrown, isThenable, type Registering, type Registration } from "./channel.js";
import { Interest, Kind, State, Verdict, instantiateEngine, type EngineExports, type EngineImports } from "./engine.js";
import { LoopError, OSError } from "../backend/errors.js";
import { logThrown } from "../backend/log.js";
import { NameLookups } from "./name-lookups.js";
import { rememberUnlooped } from "./never-looped.js";
import type { Timer } from "./timer.js";
import { wasiErrorCode } from "../wasi/errno.js";
import { PollOneoff } from "../wasi/poll-oneoff.js";

const NS_PER_MS = 1e6;
const TWO_32 = 0x1_0000_0000;

/** A channel in the map, with its slot and generation in the engine. */
class Member implements Registration {
  readonly addedMs: number;
  constructor(
    readonly scheduler: Scheduler,
    readonly channel: Channel,
    readonly fd: number,
    readonly slot: number,
    readonly generation: number,
    readonly isSampled: boolean,
  ) {
    this.addedMs = scheduler.nowMs();
  }

  setInterest(interest: number): void {
    this.scheduler.engine.channelSetInterest(this.slot, this.generation, interest);
    this.scheduler.changed();
  }

  setState(state: number): void {
    this.scheduler.engine.channelSetState(this.slot, this.generation, state);
    this.scheduler.changed();
  }

  endInput(): void {
    this.scheduler.engine.channelEndInput(this.slot, this.generation);
    this.scheduler.changed();
  }

  pause(): void {
    this.scheduler.engine.channelPause(this.slot, this.generation);
    this.scheduler.changed();
  }

  takeError(): string | undefined {
    const errno = this.scheduler.engine.channelTakeError(this.slot, this.generation);
    return errno === 0 ? undefined : wasiErrorCode(errno);
  }

  remove(): void {
    this.scheduler.remove(this);
  }
}

/** The error when the engine could not add something; nothing has changed then. */
function outOfMemory(what: string): LoopError {
  return new LoopError("ERR_ENGINE_MEMORY", `the engine has no memory for another ${what}`);
}

class RunningTimer implements Timer {
  generation = 0;
  slot = -1;
  constructor(
    readonly scheduler: Scheduler,
    readonly callback: () => unknown,
    readonly repeats: boolean,
  ) {}

  get active(): boolean {
    return this.slot >= 0;
  }

  cancel(): boolean {
    return this.scheduler.cancelTimer(this);
  }

  [Symbol.dispose](): void {
    this.cancel();
  }
}

/** Closes the poll sets of maps that are garbage. While a loop waits on a poll set, its map is reachable. */
const unreachable = new FinalizationRegistry<PollSet>((set) => set.close());

export class Scheduler {
  readonly backend: Backend;
  readonly engine: EngineExports;
  readonly poller: PollOneoff;
  readonly lookups: NameLookups;
  /** Is a loop running? One at a time: two would deliver each other's events. */
  isLooping = false;
  /** How many channels are sampled every turn. */
  sampled = 0;
  /** Does a loop that waits keep the process alive? */
  keepsAlive = true;
  /** How many channels do not keep a loop going. */
  unreferenced = 0;
  /** Set while a loop waits between turns; called when something changes that the loop must know of. */
  onChange: (() => void) | undefined;
  #isWoken = false;
  readonly #members: (Member | undefined)[] = [];
  readonly #byDescriptor = new Map<number, Member>();
  readonly #timers: (RunningTimer | undefined)[] = [];
  #byChannel = false;
  #escaping: { readonly error: unknown } | undefined;

  /** @param module a compiled engine.wasm; by default the package's own */
  constructor(backend: Backend, module?: object) {
    this.backend = backend;
    const imports: EngineImports = {
      pollOneoff: (subscriptions, events, length, count) => this.poller.call(subscriptions, events, length, count),
      clockTimeGet: (_clock, _precision, timeAt) => this.#writeTime(timeAt),
      ask: (slot) => this.#sample(slot),
      deliver: (slot, kind, detail) => this.#deliver(slot, kind, detail),
    };
    this.engine = instantiateEngine(imports, module);
    const { engine } = this;
    this.poller = new PollOneoff(backend, () => engine.memory, {
      count: engine.changeCount,
      at: engine.changesAt,
      taken: engine.changesTaken,
    });
    unreachable.register(this, this.poller.pollSet);
    this.lookups = new NameLookups(backend, (channel, call) => this.#guard(channel, call));
  }

  /** Is nothing left to wait for? */
  get isIdle(): boolean {
    return this.#byDescriptor.size === this.unreferenced && this.engine.timerCount() === 0;
  }

  nowMs(): number {
    return this.backend.clock.monotonicNs() / NS_PER_MS;
  }

  /** By descriptor, in order of addition. */
  get members(): ReadonlyMap<number, Member> {
    return this.#byDescriptor;
  }

  add(channel: Channel, { fd, state, interest, sampled, stream }: Registering): Registration {
    const { engine } = this;
    // As in asyncore's map, a descriptor has one channel: the newest. The former one is removed after the new one has been
    // added successfully, and before the new one is watched.
    const former = this.#byDescriptor.get(fd);
    const slot = engine.channelAdd(fd, State.IDLE, sampled ? Interest.NONE : interest, Number(sampled), Number(stream));
    if (slot < 0) throw outOfMemory("channel");
    former?.remove();
    const member = new Member(this, channel, fd, slot, engine.channelGeneration(slot), sampled);
    engine.channelSetState(slot, member.generation, state);
    this.#members[slot] = member;
    this.#byDescriptor.set(fd, member);
    if (sampled) this.sampled += 1;
    if (this.#byDescriptor.size === 1) rememberUnlooped(this);
    this.changed();
    return member;
  }

  remove(member: Member): void {
    if (this.engine.channelRemove(member.slot, member.generation) === 0) return;
    this.#members[member.slot] = undefined;
    this.#byDescriptor.delete(member.fd);
    if (member.isSampled) this.sampled -= 1;
    this.changed();
  }

  startTimer(deadlineMs: number, periodMs: number, callback: () => unknown): Timer {
    const timer = new RunningTimer(this, callback, periodMs > 0);
    const slot = this.engine.timerAdd(deadlineMs, periodMs);
    if (slot < 0) throw outOfMemory("timer");
    timer.slot = slot;
    timer.generation = this.engine.timerGeneration(timer.slot);
    this.#timers[timer.slot] = timer;
    this.changed();
    return timer;
  }

  cancelTimer(timer: RunningTimer): boolean {
    const { slot } = timer;
    if (slot < 0) return false;
    this.engine.timerCancel(slot, timer.generation);
    this.#timers[slot] = undefined;
    timer.slot = -1;
    this.changed();
    return true;
  }

  cancelTimers(): void {
    for (const timer of this.#timers) if (timer !== undefined) this.cancelTimer(timer);
  }

  /** Something changed that a waiting loop must know of. */
  changed(): void {
    this.onChange?.();
  }

  /** Requests a turn soon, with interest sampled again before it. */
  wake(): void {
    this.#isWoken = true;
    this.changed();
  }

  /**
   * The first half of a turn: samples interest. @returns how long the poll may wait, in milliseconds.
   * @throws what must leave the loop
   */
  prepare(timeoutMs: number, byChannel: boolean): number {
    this.#byChannel = byChannel;
    const waitMs = this.engine.turnPrepare(timeoutMs);
    this.rethrow();
    if (waitMs < 0) throw new LoopError("ERR_LOOP_RUNNING", "a turn of this map is under way");
    // A sampled handler may have closed the last channel, or called wake for one that was sampled before it.
    return this.isIdle || this.#isWoken ? 0 : waitMs;
  }

  /**
   * The second half: polls and delivers. @returns how many channels were ready.
   * @throws what must leave the loop, after the turn has ended; OSError when the poll itself fails
   */
  run(waitMs: number, byChannel: boolean): number {
    this.#byChannel = byChannel;
    this.#isWoken = false;
    const { pollSet } = this.poller;
    let ready: number;
    pollSet.beginTurn();
    try {
      ready = this.engine.turnRun(waitMs, Number(byChannel));
    } finally {
      pollSet.endTurn();
    }
    this.rethrow();
    if (ready < 0) throw new OSError(wasiErrorCode(-ready), { errno: ready, syscall: "poll_oneoff" });
    return ready;
  }

  /** Throws the error that must leave the loop, if there is one. */
  rethrow(): void {
    const escaping = this.#escaping;
    if (escaping === undefined) return;
    this.#escaping = undefined;
    throw escaping.error;
  }

  /** Releases what the backend holds for this map. */
  dispose(): void {
    this.poller.close();
  }

  #sample(slot: number): number {
    const channel = this.#members[slot]?.channel;
    if (channel === undefined) return Interest.NONE;
    try {
      return channel.sampleInterest();
    } catch (error) {
      this.#fail(channel, error);
      return Interest.NONE;
    }
  }

  #deliver(slot: number, kind: number, detail: number): number {
    if (kind === Kind.TIMER) return this.#fire(slot);
    const channel = this.#members[slot]?.channel;
    if (channel === undefined) return Verdict.GO_ON;
    try {
      if (kind === Kind.ACCEPT) return this.#accept(channel);
      if (kind === Kind.ERROR) return this.#fail(channel, channel.socketError(wasiErrorCode(detail)));
      const result = call(channel, kind);
      if (result !== undefined) this.follow(channel, result);
      return Verdict.GO_ON;
    } catch (error) {
      return this.#fail(channel, error);
    }
  }

  /** What the handleError of an accepted connection's channel throws leaves the loop as well. */
  #accept(channel: Channel): number {
    const more = channel.handleAcceptEvent();
    if (this.#escaping !== undefined) return Verdict.STOP;
    return more ? Verdict.AGAIN : Verdict.GO_ON;
  }

  #fire(slot: number): number {
    const timer = this.#timers[slot];
    if (timer === undefined) return Verdict.GO_ON;
    if (!timer.repeats) {
      this.#timers[slot] = undefined;
      timer.slot = -1;
    }
    try {
      const result: unknown = timer.callback();
      if (result !== undefined) this.#followPromise(result, (error) => this.#escape(error));
      return Verdict.GO_ON;
    } catch (error) {
      return this.#escape(error);
    }
  }

  /** Handles what a handler threw. */
  #fail(channel: Channel, error: unknown): number {
    try {
      return handleThrown(channel, error, this.#byChannel) ? Verdict.FAILED : Verdict.GO_ON;
    } catch (thrown) {
      return this.#escape(thrown);
    }
  }

  #escape(error: unknown): number {
    // Only one error can leave the loop. A turn stops at the first, so a second can only come from a promise.
    if (this.#escaping !== undefined) logThrown("another error is leaving the loop already", error);
    this.#escaping ??= { error };
    return Verdict.STOP;
  }

  /** See `Registrar.leaveLoop`. */
  leaveLoop(error: unknown): void {
    this.#escape(error);
  }

  /** See `Registrar.follow`. */
  follow(channel: Channel, result: unknown, fail?: (error: unknown) => void): void {
    if (!isThenable(result)) return;
    const { signal } = channel;
    const wasOpen = channel.fd >= 0;
    const byDefault = (error: unknown): void => {
      const isClosed = signal.aborted || (wasOpen && channel.fd < 0);
      handleThrown(channel, error, this.#byChannel, isClosed);
    };
    this.#followPromise(result, fail ?? byDefault);
  }

  /** Handles a rejection by `fail`; what that throws leaves the loop. Requests a turn, as for any change between turns. */
  #followPromise(result: unknown, fail: (error: unknown) => void): void {
    if (!isThenable(result)) return;
    Promise.resolve(result).then(undefined, (error: unknown) => {
      try {
        fail(error);
      } catch (thrown) {
        this.#escape(thrown);
      }
      this.changed();
    });
  }

  /** Runs a handler's code between turns; an error that must leave the loop leaves it at the next turn. */
  #guard(channel: Channel, call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#fail(channel, error);
    }
    this.changed();
  }

  #writeTime(timeAt: number): number {
    const now = this.backend.clock.monotonicNs();
    const view = new Uint32Array(this.engine.memory.buffer, timeAt, 2);
    view[0] = now % TWO_32;
    view[1] = now / TWO_32;
    return 0;
  }
}

/** Calls the callback for a kind of event without a result. */
function call(channel: Channel, kind: number): unknown {
  switch (kind) {
    case Kind.READ:
      return channel.handleReadEvent();
    case Kind.WRITE:
      return channel.handleWriteEvent();
    case Kind.CONNECT:
      return channel.handleConnectEvent();
    case Kind.EXCEPTIONAL:
      return channel.handleExptEvent();
    default:
      return channel.handleCloseEvent();
  }
}
