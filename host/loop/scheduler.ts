/**
 * Owns one engine and what its numbers mean: channels by slot. Knows the engine, the backend seam and the channel seam;
 * knows no handler class, and nothing of how a loop waits.
 */

import type { Addresses, Backend, PollSet } from "../backend/backend.js";
import type { Channel, Registering, Registrar, Registration } from "./channel.js";
import type { ChannelMap } from "./channel-map.js";
import { callBack } from "./callbacks.js";
import { callIn, Contexts } from "./context.js";
import { startDebugLog } from "./debug-log.js";
import { areTurnsWatched } from "./diagnostics.js";
import { Interest, Kind, State, Verdict, instantiateEngine, type EngineExports, type EngineImports } from "./engine.js";
import { LoopError, OSError } from "../backend/errors.js";
import { Failures } from "./failures.js";
import { Layers } from "./layers.js";
import { Member, type MemberHolder } from "./member.js";
import { Members } from "./members.js";
import type { Layer } from "../net/endpoint.js";
import { Keeper } from "../net/unreachable.js";
import { NameLookups } from "./name-lookups.js";
import { rememberUnlooped } from "./never-looped.js";
import { Observation, type Observed } from "./observation.js";
import type { Timer } from "./timer.js";
import { Timers } from "./timers.js";
import { wasiErrorCode } from "../wasi/errno.js";
import { PollOneoff } from "../wasi/poll-oneoff.js";

const NS_PER_MS = 1e6;
const TWO_32 = 0x1_0000_0000;

/** Closes the poll sets of maps that are garbage. While a loop waits on a poll set, its map is reachable. */
const unreachable = new FinalizationRegistry<PollSet>((set) => set.close());

/** Options of {@link Scheduler}. */
export interface SchedulerOptions {
  /** A compiled engine.wasm; by default the package's own. */
  readonly module?: object;
  /** See `ChannelMapOptions.asyncContext`. Default false. */
  readonly keepsContexts?: boolean;
}

export class Scheduler implements Registrar, MemberHolder, Observed {
  readonly map: ChannelMap;
  readonly backend: Backend;
  readonly engine: EngineExports;
  readonly poller: PollOneoff;
  readonly lookups: NameLookups;
  readonly layers: Layers;
  readonly members = new Members(this);
  /** See `Registrar.keeper`. */
  readonly keeper: Keeper | undefined;
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
  #isPreparing = false;
  readonly #timers: Timers;
  readonly #failures = new Failures(() => this.changed());
  #words = new Uint32Array(0);
  #observation: Observation | undefined;
  /** The same, in a turn that is observed. */
  #observing: Observation | undefined;
  /** Where the channels were made, if that is kept. */
  readonly #contexts: Contexts | undefined;

  constructor(map: ChannelMap, backend: Backend, { module, keepsContexts = false }: SchedulerOptions = {}) {
    startDebugLog();
    this.map = map;
    this.backend = backend;
    this.#contexts = keepsContexts ? new Contexts() : undefined;
    const imports: EngineImports = {
      pollOneoff: (subscriptions, events, length, count) =>
        this.#observing === undefined
          ? this.poller.call(subscriptions, events, length, count)
          : this.#observing.poll(() => this.poller.call(subscriptions, events, length, count)),
      clockTimeGet: (_clock, _precision, timeAt) => this.#writeTime(timeAt),
      ask: (slot) => this.#sample(slot),
      deliver: (slot, kind, detail) =>
        this.#observing === undefined ? this.deliver(slot, kind, detail) : this.#observing.deliver(slot, kind, detail),
      ...(this.#contexts === undefined ? undefined : this.#importsIn(this.#contexts)),
    };
    this.engine = instantiateEngine(imports, module);
    const { engine } = this;
    this.poller = new PollOneoff(backend, () => engine.memory, {
      count: engine.changeCount,
      at: engine.changesAt,
      taken: engine.changesTaken,
    });
    // The poll set of a simulated host leads back to this.
    if (backend.clock.turnTaker === undefined) {
      unreachable.register(this, this.poller.pollSet);
      this.keeper = new Keeper(backend);
    }
    this.lookups = new NameLookups(backend, (channel, call) => this.#guard(channel, call));
    this.#timers = new Timers(engine, this.#failures, this, keepsContexts);
    this.layers = new Layers(this.#failures, this);
  }

  /** Is nothing left to wait for? */
  get isIdle(): boolean {
    return this.members.size === this.unreferenced && this.engine.timerCount() === 0;
  }

  nowMs(): number {
    return this.backend.clock.monotonicNs() / NS_PER_MS;
  }

  /** What is observed of its events. */
  get observation(): Observation {
    this.#observation ??= new Observation(this);
    return this.#observation;
  }

  channelAt(slot: number): Channel | undefined {
    return this.members.channelAt(slot);
  }

  timerName(slot: number): string {
    return this.#timers.nameAt(slot);
  }

  /** How long the channel in a slot has been in the map. */
  ageMs(slot: number): number {
    return this.nowMs() - this.members.addedMsAt(slot);
  }

  add(
    channel: Channel,
    { fd, state, interest, sampled, stream }: Registering,
    member: Member = new Member(),
  ): Registration {
    const { engine, members } = this;
    // As in asyncore's map, a descriptor has one channel: the newest. The former one is removed after the new one has been
    // added successfully, and before the new one is watched.
    const former = members.slotOf(fd);
    const isSimple = former < 0 && !sampled;
    const slot = engine.channelAdd(fd, isSimple ? state : State.IDLE, interest, Number(sampled), Number(stream));
    if (slot < 0) throw new LoopError("ERR_ENGINE_MEMORY", "the engine has no memory for another channel");
    if (former >= 0) this.remove(former, engine.channelGeneration(former));
    this.place(member, slot);
    if (!isSimple) engine.channelSetState(slot, member.generation, state);
    members.add(slot, channel, fd, sampled, this.nowMs());
    this.#contexts?.keep(slot);
    if (sampled) this.sampled += 1;
    if (members.size === 1) rememberUnlooped(this);
    this.changed();
    return member;
  }

  /** See `MemberHolder`. */
  place(member: Member, slot: number): void {
    member.placed(this, slot, this.engine.channelGeneration(slot));
  }

  /** See `MemberHolder`. */
  setInterest(slot: number, generation: number, interest: number): void {
    const link = this.layers.count === 0 ? undefined : this.layers.linkOf(slot, generation);
    if (link === undefined) this.watch(slot, generation, interest);
    else link.want(interest);
  }

  /** Sets what the descriptor is watched for: bits of `Interest`. */
  watch(slot: number, generation: number, interest: number): void {
    this.engine.channelSetInterest(slot, generation, interest);
    this.changed();
  }

  remove(slot: number, generation: number): void {
    if (this.engine.channelRemove(slot, generation) === 0) return;
    if (this.members.isSampledAt(slot)) this.sampled -= 1;
    this.members.remove(slot);
    this.layers.remove(slot);
    this.#contexts?.forget(slot);
    this.changed();
  }

  /** See `Registration.setLayer`. */
  setLayer(slot: number, generation: number, layer: Layer, interest: number): void {
    const channel = this.members.channelAt(slot);
    // Another channel may have the slot by now.
    if (channel === undefined || this.engine.channelGeneration(slot) !== generation) return;
    this.layers.set({ channel, slot, generation, link: undefined }, layer, interest);
  }

  startTimer(deadlineMs: number, periodMs: number, callback: () => unknown): Timer {
    return this.#timers.start(deadlineMs, periodMs, callback);
  }

  /** Calls back in the context of the channel in a slot: for its layer, which other contexts may notify. */
  startTimerOf(slot: number, delayMs: number, callback: () => unknown): Timer {
    return this.#timers.start(this.nowMs() + delayMs, 0, callback, this.#contexts?.at(slot));
  }

  cancelTimers(): void {
    this.#timers.cancelAll();
  }

  /** See `Registrar.lookup`. */
  lookup(channel: Channel, host: string, family: 0 | 4 | 6, done: (result: Addresses | OSError) => void): () => void {
    return this.lookups.add(channel, host, family, done);
  }

  /** See `Registrar.follow`. */
  follow(channel: Channel, result: unknown, fail?: (error: unknown) => void): void {
    this.#failures.follow(channel, result, fail);
  }

  /** See `Registrar.leaveLoop`. */
  leaveLoop(error: unknown): void {
    this.#failures.escape(error);
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
    this.#failures.byChannel = byChannel;
    this.#isPreparing = true;
    const waitMs = this.engine.turnPrepare(timeoutMs);
    this.#isPreparing = false;
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
    this.#failures.byChannel = byChannel;
    this.#isWoken = false;
    const { pollSet } = this.poller;
    const isObserved = this.#observation?.isNeeded ?? areTurnsWatched();
    if (isObserved) this.#observing = this.observation;
    let ready = 0;
    pollSet.beginTurn();
    this.#observing?.beginTurn();
    try {
      ready = this.engine.turnRun(waitMs, Number(byChannel));
    } finally {
      pollSet.endTurn();
      this.#observing?.endTurn(ready);
      this.#observing = undefined;
    }
    this.rethrow();
    if (ready < 0) throw new OSError(wasiErrorCode(-ready), { errno: ready, syscall: "poll_oneoff" });
    return ready;
  }

  /** Throws the error that must leave the loop, if there is one. */
  rethrow(): void {
    this.#failures.rethrow();
  }

  /** Releases what the backend holds for this map. */
  dispose(): void {
    this.poller.close();
  }

  #sample(slot: number): number {
    const channel = this.members.channelAt(slot);
    if (channel === undefined) return Interest.NONE;
    try {
      if (this.layers.count === 0) return channel.sampleInterest();
      const link = this.layers.linkOf(slot);
      const interest = channel.sampleInterest();
      // Sampling may have closed the channel.
      return link !== undefined && link === this.layers.linkOf(slot) ? link.sampled(interest) : interest;
    } catch (error) {
      this.#failures.fail(channel, error);
      return Interest.NONE;
    }
  }

  /** Delivers an event. @returns the verdict */
  deliver(slot: number, kind: number, detail: number): number {
    if (kind === Kind.TIMER) return this.#timers.fire(slot);
    const channel = this.members.channelAt(slot);
    if (channel === undefined) return Verdict.GO_ON;
    try {
      if (this.layers.count > 0) {
        if (this.layers.takes(slot, kind)) return this.layers.deliver(slot, kind);
        if (this.layers.holdsBack(slot, kind, detail)) return Verdict.GO_ON;
      }
      if (kind === Kind.ACCEPT) return this.#accept(channel);
      if (kind === Kind.ERROR) return this.#failures.fail(channel, channel.socketError(wasiErrorCode(detail)));
      const result = callBack(channel, kind);
      if (result !== undefined) this.#failures.follow(channel, result);
      return Verdict.GO_ON;
    } catch (error) {
      return this.#failures.fail(channel, error);
    }
  }

  /** What the handleError of an accepted connection's channel throws leaves the loop as well. */
  #accept(channel: Channel): number {
    const more = channel.handleAcceptEvent();
    if (this.#failures.isEscaping) return Verdict.STOP;
    return more ? Verdict.AGAIN : Verdict.GO_ON;
  }

  /** Runs a handler's code between turns, in the channel's context. */
  #guard(channel: Channel, call: () => void): void {
    const slot = this.members.slotOf(channel.fd);
    const context = slot < 0 ? undefined : this.#contexts?.at(slot);
    callIn(context, () => this.#failures.guard(channel, call));
  }

  /** The calls that reach a handler, in the context of the handler or of the timer. */
  #importsIn(contexts: Contexts): Pick<EngineImports, "ask" | "deliver"> {
    const sample = (slot: number): number => this.#sample(slot);
    const deliver = (slot: number, kind: number, detail: number): number =>
      this.#observing === undefined ? this.deliver(slot, kind, detail) : this.#observing.deliver(slot, kind, detail);
    return {
      ask: (slot) => callIn(contexts.at(slot), sample, slot),
      deliver: (slot, kind, detail) => {
        const context = kind === Kind.TIMER ? this.#timers.contextAt(slot) : contexts.at(slot);
        return callIn(context, deliver, slot, kind, detail);
      },
    };
  }

  #writeTime(timeAt: number): number {
    const { clock } = this.backend;
    const now = this.#isPreparing && clock.turnNs !== undefined ? clock.turnNs() : clock.monotonicNs();
    const { buffer } = this.engine.memory;
    if (this.#words.buffer !== buffer) this.#words = new Uint32Array(buffer);
    this.#words[timeAt >> 2] = now % TWO_32;
    this.#words[(timeAt >> 2) + 1] = now / TWO_32;
    return 0;
  }
}
