/**
 * Owns `ChannelMap`, the public API of one engine: its channels, its timers, its statistics. Knows the scheduler behind
 * it and where the default backend comes from; knows no handler class.
 */

import type { Backend, SocketAddress } from "../backend/backend.js";
import type { Channel, ChannelDescription, Registrar } from "./channel.js";
import {
  checkBackend,
  checkBoolean,
  checkCallback,
  checkFunction,
  checkMs,
  checkOptions,
  checkString,
} from "../backend/check.js";
import { INSPECT, inspectAs, type Inspect, type InspectOptions } from "../backend/inspect.js";
import { hasOnePlace, placeBackend } from "../backend/place.js";
import { defaultBackend, type MapRecorder, recordBackend } from "../node/default.js";
import { Interest, readStatistics, type EngineStatistics } from "./engine.js";
import { Scheduler } from "./scheduler.js";
import type { Timer, TimerCallback } from "./timer.js";
import { Waker } from "./waker.js";

/** One channel, as {@link ChannelMap.snapshot} shows it. */
export interface ChannelSnapshot {
  /** Slot and generation: never reused while the map lives. */
  readonly id: string;
  readonly fd: number;
  readonly state: ChannelDescription["state"];
  /** What it is watched for at the moment. */
  readonly interest: { readonly read: boolean; readonly write: boolean };
  readonly local: SocketAddress | undefined;
  readonly remote: SocketAddress | undefined;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Since it came into the map. */
  readonly ageMs: number;
}

/** What {@link ChannelMap.stats} counts. */
export interface MapStatistics extends EngineStatistics {
  /** Channels in the map now. */
  readonly channelsNow: number;
  /** Timers running now. */
  readonly timersNow: number;
}

/** Options of {@link ChannelMap}. */
export interface ChannelMapOptions {
  /** Polls and does socket operations; by default the operating system. */
  readonly backend?: Backend | undefined;
  /**
   * The path of a file: all that happens in the map is recorded into it, from the map's first use on. In a program that is
   * replayed it has no effect. See `record` of "wasyncore/record", which takes options as well.
   */
  readonly record?: string | undefined;
  /**
   * Do callbacks run in the context of `AsyncLocalStorage` in which their channel joined the map, or their timer was
   * started? Default false: the context that a callback runs in is not specified, and costs nothing.
   * @example
   * const map = new ChannelMap({ asyncContext: true });
   * request.run(id, () => map.callLater(1000, () => console.log(request.getStore()))); // prints id
   */
  readonly asyncContext?: boolean | undefined;
}

const OPTIONS = ["backend", "record", "asyncContext"] as const;

/** The scheduler behind a map, for the parts of this package that drive it. @internal */
export let schedulerOf: (map: ChannelMap) => Scheduler;

/**
 * A set of channels that are polled together, by descriptor: asyncore's map. Each map has an engine of its own.
 * Nothing is set up before it is first used.
 */
export class ChannelMap {
  #scheduler: Scheduler | undefined;
  readonly #backend: Backend | undefined;
  readonly #record: string | undefined;
  readonly #keepsContexts: boolean;
  #recorder: MapRecorder | undefined;
  #warnSlowMs = Infinity;

  /** @throws TypeError for an option that does not exist, and for what is no backend */
  constructor(options: ChannelMapOptions = {}) {
    checkOptions("options", options, OPTIONS);
    const { backend, record, asyncContext = false }: ChannelMapOptions = options;
    if (backend !== undefined) checkBackend("options.backend", backend);
    if (record !== undefined) checkString("options.record", record);
    checkBoolean("options.asyncContext", asyncContext);
    this.#backend = backend;
    this.#record = record;
    this.#keepsContexts = asyncContext;
  }

  /** The recording that is made of the map: undefined before its first use, without `record`, and in a program that is replayed. */
  get recorder(): MapRecorder | undefined {
    return this.#recorder;
  }

  /** How many channels there are. */
  get size(): number {
    return this.#scheduler?.members.size ?? 0;
  }

  /** The channel on a descriptor. */
  get(fd: number): Channel | undefined {
    const members = this.#scheduler?.members;
    return members?.channelAt(members.slotOf(fd));
  }

  has(fd: number): boolean {
    return this.#scheduler?.members.has(fd) ?? false;
  }

  /** Descriptors, in channel order. */
  *keys(): IterableIterator<number> {
    for (const [fd] of this) yield fd;
  }

  /** Channels, in channel order: that in which they came into the map. */
  *values(): IterableIterator<Channel> {
    for (const [, channel] of this) yield channel;
  }

  *[Symbol.iterator](): IterableIterator<[fd: number, channel: Channel]> {
    const members = this.#scheduler?.members;
    if (members === undefined) return;
    for (const [slot, channel] of members.entries()) yield [members.fdAt(slot), channel];
  }

  /** Milliseconds of the map's monotonic clock: what `callAt` counts in. */
  now(): number {
    return this.#use().nowMs();
  }

  /**
   * Calls back once, `delayMs` from now. What the callback throws leaves the loop.
   * @param callback a function; or an object with `handleTimer`, as needed by code that also runs in a guest
   */
  callLater(delayMs: number, callback: TimerCallback): Timer {
    checkMs("delayMs", delayMs);
    const call = functionOf(callback);
    const scheduler = this.#use();
    return scheduler.startTimer(scheduler.nowMs() + delayMs, 0, call);
  }

  /** Calls back once, at a time of {@link now}; in the next turn if that is past. */
  callAt(timeMs: number, callback: TimerCallback): Timer {
    checkMs("timeMs", timeMs);
    return this.#use().startTimer(timeMs, 0, functionOf(callback));
  }

  /** Calls back every `periodMs`, first in `periodMs` from now. Missed times are skipped. */
  callEvery(periodMs: number, callback: TimerCallback): Timer {
    checkMs("periodMs", periodMs);
    if (periodMs === 0) {
      throw Object.assign(new RangeError(`"periodMs" must be more than 0`), { code: "ERR_OUT_OF_RANGE" });
    }
    const call = functionOf(callback);
    const scheduler = this.#use();
    return scheduler.startTimer(scheduler.nowMs() + periodMs, periodMs, call);
  }

  /** Stops every timer of the map. */
  cancelTimers(): void {
    this.#scheduler?.cancelTimers();
  }

  /**
   * Call it after a change that the map cannot see, for example of a variable that a `writable()` reads: a loop that runs
   * on the map samples interest again, and takes a turn soon. For this thread; without a loop it has no effect.
   */
  wake(): void {
    this.#scheduler?.wake();
  }

  /**
   * Makes a waker, with which other threads wake the map's loop, `loopSync` included: they call `wake(waker.handle)`. The
   * loop then takes a turn and calls back in it, once for all wakes so far. What the callback throws leaves the loop.
   * Like `call_soon_threadsafe` of Python's asyncio, and libuv's `uv_async_send`.
   * @throws OSError: EMFILE, ...; UnsupportedPlatformError on a simulated host, which has no threads
   */
  waker(callback?: () => void): Waker {
    if (callback !== undefined) checkFunction("callback", callback);
    return new Waker(this.#use(), callback);
  }

  /**
   * Lets the process end while a `loop` that runs on the map waits: for a map that serves in the background. The promise
   * of that loop is then never settled. Like `unref` of Node's servers and sockets.
   */
  unref(): this {
    return this.#setReferenced(false);
  }

  /** A `loop` that runs on the map keeps the process alive, which is the default. */
  ref(): this {
    return this.#setReferenced(true);
  }

  hasRef(): boolean {
    return this.#scheduler?.keepsAlive ?? true;
  }

  /**
   * A callback that takes longer than so many milliseconds is logged as a warning, with its name, its channel and its time;
   * so is a turn, if none of its callbacks alone took longer. Of an `async` callback, the part before its first `await`
   * counts. Default Infinity: nothing is timed. See `setLogSink`.
   * @example
   * socketMap.warnSlowMs = 50;
   * // warning: handleRead of <Echo connected 127.0.0.1:51034> took 81.3 ms (warnSlowMs is 50)
   */
  get warnSlowMs(): number {
    return this.#warnSlowMs;
  }

  set warnSlowMs(warnSlowMs: number) {
    checkMs("warnSlowMs", warnSlowMs, true);
    this.#warnSlowMs = warnSlowMs;
    if (this.#scheduler !== undefined) this.#scheduler.observation.warnSlowMs = warnSlowMs;
  }

  /** What each channel is doing, in channel order. Makes system calls for the addresses: too slow for every turn. */
  snapshot(): ChannelSnapshot[] {
    const scheduler = this.#scheduler;
    if (scheduler === undefined) return [];
    const { engine, members } = scheduler;
    return Array.from(members.entries(), ([slot, channel]) => {
      const watched = engine.channelRegistered(slot);
      return {
        id: `${slot}.${engine.channelGeneration(slot) >>> 0}`,
        fd: members.fdAt(slot),
        interest: { read: (watched & Interest.READ) !== 0, write: (watched & Interest.WRITE) !== 0 },
        ...channel.describe(),
        ageMs: scheduler.ageMs(slot),
      };
    });
  }

  /** Counters since the map was made. */
  stats(): MapStatistics {
    const { engine } = this.#use();
    return { ...readStatistics(engine), channelsNow: engine.channelCount(), timersNow: engine.timerCount() };
  }

  /**
   * Closes the map's channels, cancels its timers, and releases its operating-system resources. An error of a `close` is
   * thrown after that. For `using` and `await using`.
   */
  [Symbol.dispose](): void {
    let first: { readonly error: unknown } | undefined;
    for (const channel of [...this.values()]) {
      try {
        channel.close();
      } catch (error) {
        first ??= { error };
      }
    }
    this.cancelTimers();
    this.#scheduler?.dispose();
    this.#scheduler = undefined;
    if (first !== undefined) throw first.error;
  }

  #setReferenced(on: boolean): this {
    const scheduler = this.#use();
    scheduler.keepsAlive = on;
    scheduler.changed();
    return this;
  }

  /** For `util.inspect` and `console.log`: its channels as a list, cut as long arrays are. @internal */
  [INSPECT](depth: number, options: InspectOptions, inspect: Inspect): string {
    const timers = this.#scheduler?.engine.timerCount() ?? 0;
    return inspectAs(
      this,
      `ChannelMap(${this.size})`,
      () => ({ timers, channels: [...this.values()] }),
      depth,
      options,
      inspect,
    );
  }

  #use(): Scheduler {
    if (this.#scheduler === undefined) {
      const keepsContexts = this.#keepsContexts;
      const backend = this.#backend ?? defaultBackend();
      if (this.#record !== undefined) this.#recorder = recordBackend(backend, this.#record);
      this.#scheduler = new Scheduler(this, this.#recorder?.backend ?? backend, { keepsContexts });
      if (this.#warnSlowMs < Infinity) this.#scheduler.observation.warnSlowMs = this.#warnSlowMs;
    }
    return this.#scheduler;
  }

  static {
    schedulerOf = (map) => map.#use();
  }
}

/** Called once for each timer, so that firing it does not allocate. */
function functionOf(callback: TimerCallback): () => unknown {
  checkCallback("callback", callback, "handleTimer");
  return typeof callback === "function" ? callback : () => callback.handleTimer();
}

/** The backend of a map, for handlers that make sockets. @internal */
export function backendOf(map: ChannelMap): Backend {
  return schedulerOf(map).backend;
}

/** The part of a map that handlers use. @internal */
export function registrarOf(map: ChannelMap): Registrar {
  return schedulerOf(map);
}

/** The map that is used where none is given: asyncore's `socket_map`. On a simulated host, its programs have one of their own instead. */
export const socketMap = new ChannelMap();

const placeMaps = new WeakMap<Backend, ChannelMap>();

/** The map that is used where none is given: `socketMap`, or that of the simulated host that runs the program. @internal */
export function defaultMap(): ChannelMap {
  const backend = placeBackend();
  if (backend === undefined || hasOnePlace()) return socketMap;
  let map = placeMaps.get(backend);
  if (map === undefined) {
    map = new ChannelMap({ backend });
    placeMaps.set(backend, map);
  }
  return map;
}
