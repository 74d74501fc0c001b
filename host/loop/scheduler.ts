/**
 * Owns one engine and everything that stands behind its numbers: channels by slot, timers by slot, the errors that
 * must leave the loop. Knows the engine, the backend seam and the channel seam; knows no handler class, and nothing of
 * how a loop waits.
 */

import type { Backend, PollSet } from "../backend/backend.js";
import { type Channel, type Registering, type Registration, tellThrown } from "./channel.js";
import { Interest, Kind, Verdict, instantiateEngine, type EngineExports } from "./engine.js";
import { OSError } from "../backend/errors.js";
import { NameLookups } from "./name-lookups.js";
import type { Timer } from "./timer.js";
import { wasiErrorCode } from "../wasi/errno.js";
import { PollOneoff } from "../wasi/poll-oneoff.js";

const NS_PER_MS = 1e6;
const TWO_32 = 0x1_0000_0000;

/** A channel's place in the engine. */
class Place implements Registration {
  readonly addedMs: number;
  constructor(
    readonly scheduler: Scheduler,
    readonly channel: Channel,
    readonly fd: number,
    readonly slot: number,
    readonly generation: number,
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

class RunningTimer implements Timer {
  generation = 0;
  slot = -1;
  constructor(
    readonly scheduler: Scheduler,
    readonly callback: () => void,
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
  /** Who runs the loop now; one at a time. */
  owner: object | undefined;
  /** Called when something changes while the loop waits outside of a turn. */
  onChange: (() => void) | undefined;
  readonly #places: (Place | undefined)[] = [];
  readonly #byDescriptor = new Map<number, Place>();
  readonly #timers: (RunningTimer | undefined)[] = [];
  #byChannel = false;
  #escaping: { readonly error: unknown } | undefined;

  constructor(backend: Backend) {
    this.backend = backend;
    this.engine = instantiateEngine({
      pollOneoff: (subscriptions, events, length, count) => this.poller.call(subscriptions, events, length, count),
      clockTimeGet: (_clock, _precision, timeAt) => this.#writeTime(timeAt),
      ask: (slot) => this.#ask(slot),
      deliver: (slot, kind, detail) => this.#deliver(slot, kind, detail),
    });
    const { engine } = this;
    this.poller = new PollOneoff(backend, () => engine.memory, {
      count: engine.changeCount,
      at: engine.changesAt,
      taken: engine.changesTaken,
    });
    unreachable.register(this, this.poller.pollSet);
    this.lookups = new NameLookups(backend, (channel, call) => this.#guard(channel, call));
  }

  /** Is there nothing left to wait for? */
  get isIdle(): boolean {
    return this.#byDescriptor.size === 0 && this.engine.timerCount() === 0;
  }

  nowMs(): number {
    return this.backend.clock.monotonicNs() / NS_PER_MS;
  }

  /** By descriptor, in order of addition. */
  get places(): ReadonlyMap<number, Place> {
    return this.#byDescriptor;
  }

  add(channel: Channel, { fd, state, interest, asked, stream }: Registering): Registration {
    const { engine } = this;
    // As in asyncore's map, a descriptor has one channel: the newest.
    this.#byDescriptor.get(fd)?.remove();
    const slot = engine.channelAdd(fd, state, interest, Number(asked), Number(stream));
    const place = new Place(this, channel, fd, slot, engine.channelGeneration(slot));
    this.#places[slot] = place;
    this.#byDescriptor.set(fd, place);
    this.changed();
    return place;
  }

  remove(place: Place): void {
    if (this.engine.channelRemove(place.slot, place.generation) === 0) return;
    this.#places[place.slot] = undefined;
    this.#byDescriptor.delete(place.fd);
    this.changed();
  }

  startTimer(deadlineMs: number, periodMs: number, callback: () => void): Timer {
    const timer = new RunningTimer(this, callback, periodMs > 0);
    timer.slot = this.engine.timerAdd(Math.max(0, deadlineMs), periodMs);
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

  /** Something changed that the loop, if it waits, must know of. */
  changed(): void {
    this.onChange?.();
  }

  /**
   * The first half of a turn. @returns how long the poll may wait, in milliseconds.
   * @throws what a handler means to leave the loop
   */
  prepare(timeoutMs: number, byChannel: boolean): number {
    this.#byChannel = byChannel;
    const waitMs = this.engine.turnPrepare(timeoutMs);
    this.release();
    // A handler that was asked may have closed the last channel.
    return this.isIdle ? 0 : waitMs;
  }

  /**
   * The second half: polls and delivers. @returns how many channels were ready.
   * @throws what a handler means to leave the loop, after the turn has ended; OSError when the poll itself fails
   */
  run(waitMs: number, byChannel: boolean): number {
    this.#byChannel = byChannel;
    const { pollSet } = this.poller;
    let ready: number;
    pollSet.beginBatch?.();
    try {
      ready = this.engine.turnRun(waitMs, Number(byChannel));
    } finally {
      pollSet.endBatch?.();
    }
    this.release();
    if (ready < 0) throw new OSError(wasiErrorCode(-ready), { errno: ready, syscall: "poll_oneoff" });
    return ready;
  }

  /** Throws what must leave the loop, if there is something. */
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
    const channel = this.#places[slot]?.channel;
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
    const channel = this.#places[slot]?.channel;
    if (channel === undefined) return Verdict.GO_ON;
    try {
      switch (kind) {
        case Kind.READ:
          channel.handleReadEvent();
          return Verdict.GO_ON;
        case Kind.WRITE:
          channel.handleWriteEvent();
          return Verdict.GO_ON;
        case Kind.ACCEPT:
          return channel.handleAcceptEvent() ? Verdict.AGAIN : Verdict.GO_ON;
        case Kind.CONNECT:
          channel.handleConnectEvent();
          return Verdict.GO_ON;
        case Kind.EXCEPTIONAL:
          channel.handleExptEvent();
          return Verdict.GO_ON;
        case Kind.CLOSE:
          channel.handleCloseEvent();
          return Verdict.GO_ON;
        default:
          return this.#fail(channel, channel.socketError(wasiErrorCode(detail)));
      }
    } catch (error) {
      return this.#fail(channel, error);
    }
  }

  #fire(slot: number): number {
    const timer = this.#timers[slot];
    if (timer === undefined) return Verdict.GO_ON;
    if (!timer.repeats) {
      this.#timers[slot] = undefined;
      timer.slot = -1;
    }
    try {
      timer.callback();
      return Verdict.GO_ON;
    } catch (error) {
      return this.#escape(error);
    }
  }

  /** A handler threw. */
  #fail(channel: Channel, error: unknown): number {
    try {
      return tellThrown(channel, error, this.#byChannel) ? Verdict.FAILED : Verdict.GO_ON;
    } catch (thrown) {
      return this.#escape(thrown);
    }
  }

  #escape(error: unknown): number {
    this.#escaping ??= { error };
    return Verdict.STOP;
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
