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

/** A channel that is in the map: its name in the engine. */
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

/** The engine refused to add something, and nothing has changed. */
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

/** Poll sets of maps that nobody can reach any more; while a loop waits on a poll set, its map can be reached. */
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
  /** How many channels do not keep a loop going. */
  unreferenced = 0;
  /** Set while a loop waits outside of a turn, and called when something changes that it must know of. */
  onChange: (() => void) | undefined;
  #isWoken = false;
  readonly #members: (Member | undefined)[] = [];
  readonly #byDescriptor = new Map<number, Member>();
  readonly #timers: (RunningTimer | undefined)[] = [];
  #byChannel = false;
  #escaping: { readonly error: unknown } | undefined;

  /** @param module engine.wasm, compiled, where it is not to be the package's own */
  constructor(backend: Backend, module?: object) {
    this.backend = backend;
    const imports: EngineImports = {
      pollOneoff: (subscriptions, events, length, count) => this.poller.call(subscriptions, events, length, count),
      clockTimeGet: (_clock, _precision, timeAt) => this.#writeTime(timeAt),
      ask: (slot) => this.#ask(slot),
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
    // As in asyncore's map, a descriptor has one channel: the newest. The former one leaves once the new one is certain,
    // and before the new one is watched.
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

  /** Something changed that a loop that waits must know of. */
  changed(): void {
    this.onChange?.();
  }

  /** Has the next turn come soon, and interest sampled again before it. */
  wake(): void {
    this.#isWoken = true;
    this.changed();
  }

  /**
   * The first half of a turn. @returns how long the poll may wait, in milliseconds.
   * @throws what a handler means to leave the loop
   */
  prepare(timeoutMs: number, byChannel: boolean): number {
    this.#byChannel = byChannel;
    const waitMs = this.engine.turnPrepare(timeoutMs);
    this.release();
    if (waitMs < 0) throw new LoopError("ERR_LOOP_RUNNING", "a turn of this map is under way");
    // A handler that was sampled may have closed the last channel, or called wake for one that was sampled before it.
    return this.isIdle || this.#isWoken ? 0 : waitMs;
  }

  /**
   * The second half: polls and delivers. @returns how many channels were ready.
   * @throws what a handler means to leave the loop, after the turn has ended; OSError when the poll itself fails
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
    this.release();
    if (ready < 0) throw new OSError(wasiErrorCode(-ready), { errno: ready, syscall: "poll_oneoff" });
    return ready;
  }

  /** Throws what must leave the loop, where something must. */
  release(): void {
    const escaping = this.#escaping;
    if (escaping === undefined) return;
    this.#escaping = undefined;
    throw escaping.error;
  }

  /** Releases what the backend holds for this map. */
  dispose(): void {
    this.poller.close();
  }

  #ask(slot: number): number {
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

  /** What the channel of an accepted connection throws in its handleError leaves the loop as well. */
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
      if (result !== undefined) this.#settled(result, (error) => this.#escape(error));
      return Verdict.GO_ON;
    } catch (error) {
      return this.#escape(error);
    }
  }

  /** A handler threw. */
  #fail(channel: Channel, error: unknown): number {
    try {
      return handleThrown(channel, error, this.#byChannel) ? Verdict.FAILED : Verdict.GO_ON;
    } catch (thrown) {
      return this.#escape(thrown);
    }
  }

  #escape(error: unknown): number {
    // One error leaves the loop. Only promises can add a second before it has left: a turn stops at the first.
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
    this.#settled(result, fail ?? byDefault);
  }

  /** What `fail` throws leaves the loop. A turn is due after it, as after any change from outside of one. */
  #settled(result: unknown, fail: (error: unknown) => void): void {
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

  /** Runs a handler's code outside of a turn; what must leave the loop leaves it at the next turn. */
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

/** Calls the callback for a kind of event that needs no answer. */
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
