/**
 * Owns what a plugin has used and holds, and what was refused to it. Counters are in memory that another thread may read
 * while the plugin runs or waits. Knows the limits of a policy; knows no call.
 *
 * What is taken is checked against the limit when it is taken, and given back when it is closed.
 */

import { performance } from "node:perf_hooks";
import { logThrown } from "../../backend/log.js";
import { TokenBucket } from "./bucket.js";
import type { Limits } from "./types.js";

/** What a plugin takes and gives back. */
export type Resource = "maxDescriptors" | "maxConnections" | "maxHostBytes";

/**
 * The field of the policy because of which a call was refused. "options" and "descriptors" have no field: options that
 * would lead around the policy, and descriptors sent over Unix sockets, are never granted. "hostLinesPerSecond" and
 * "hostLineBytesPerSecond" are options of the host: what all of its plugins may write together.
 */
export type LimitName =
  | keyof Limits
  | "connect"
  | "bind"
  | "udp"
  | "dirs"
  | "options"
  | "descriptors"
  | "hostLinesPerSecond"
  | "hostLineBytesPerSecond";

/** A plugin has met a limit of its policy. */
export interface PolicyEvent {
  readonly plugin: string;
  readonly limit: LimitName;
  /** What was refused: an address, a name, an option; or the number that would have been above the limit. */
  readonly value: string | number;
  /** How many refusals, or dropped lines, the event reports: those before were within a second of another event. */
  readonly count: number;
}

/** What `PluginHost.snapshot` shows of a plugin's use. */
export interface AccountSnapshot {
  /** Open now, sockets among them. */
  readonly descriptors: number;
  /** Open now. */
  readonly sockets: number;
  /** Open now: accepted and made. */
  readonly connections: number;
  /** Since the start. */
  readonly accepted: number;
  /** Since the start: connections that were begun. */
  readonly connected: number;
  /** Of sockets, since the start. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Held by the host for the plugin now. */
  readonly hostBytes: number;
  /** How many calls were refused, or lines dropped, by limit; those that are not 0. */
  readonly refused: Readonly<Partial<Record<LimitName, number>>>;
}

export interface AccountOptions {
  /** The plugin's name, for events. */
  readonly plugin: string;
  readonly limits: Limits;
  /** Called at most once a second for each limit. What it throws is logged. */
  readonly onEvent?: ((event: PolicyEvent) => void) | undefined;
  /** Memory of {@link Account.BYTES} for the counters, which another thread may read. Default: memory of its own. */
  readonly memory?: SharedArrayBuffer | undefined;
  /** A clock in milliseconds that never goes back. Default: that of `node:perf_hooks`. */
  readonly nowMs?: (() => number) | undefined;
}

const EVENT_INTERVAL_MS = 1000;

const LIMIT_NAMES: readonly LimitName[] = [
  "connect",
  "bind",
  "udp",
  "dirs",
  "options",
  "descriptors",
  "maxMemoryBytes",
  "maxDescriptors",
  "maxConnections",
  "bytesPerSecondIn",
  "bytesPerSecondOut",
  "linesPerSecond",
  "lineBytesPerSecond",
  "hostLinesPerSecond",
  "hostLineBytesPerSecond",
  "cpuMsPerTurn",
  "cpuMsTotal",
  "lifetimeMs",
  "maxHostBytes",
];

/** Where each counter is in the memory: a 64-bit float each, which other threads see whole. */
const Slot = {
  descriptors: 0,
  sockets: 1,
  connections: 2,
  accepted: 3,
  connected: 4,
  bytesIn: 5,
  bytesOut: 6,
  hostBytes: 7,
  REFUSED: 8,
} as const;

type Counter = Exclude<keyof typeof Slot, "REFUSED">;

const SLOTS: Readonly<Record<Resource, number>> = {
  maxDescriptors: Slot.descriptors,
  maxConnections: Slot.connections,
  maxHostBytes: Slot.hostBytes,
};

/** One plugin's account, from its start to its end. */
export class Account {
  /** Bytes of memory that the counters take. */
  static readonly BYTES = (Slot.REFUSED + LIMIT_NAMES.length) * Float64Array.BYTES_PER_ELEMENT;

  readonly plugin: string;
  readonly limits: Limits;
  readonly memory: SharedArrayBuffer;
  /** What sockets may receive and send. */
  readonly input: TokenBucket;
  readonly output: TokenBucket;
  /** What may be written to standard streams that are read as lines. */
  readonly lines: TokenBucket;
  readonly lineBytes: TokenBucket;
  readonly #counters: Float64Array;
  readonly #onEvent: ((event: PolicyEvent) => void) | undefined;
  readonly #nowMs: () => number;
  /** By limit: when the last event was, and how many refusals there have been since. */
  readonly #reports = new Map<LimitName, { atMs: number; suppressed: number }>();

  constructor({ plugin, limits, onEvent, memory, nowMs = () => performance.now() }: AccountOptions) {
    this.plugin = plugin;
    this.limits = limits;
    this.memory = memory ?? new SharedArrayBuffer(Account.BYTES);
    this.#counters = new Float64Array(this.memory);
    this.#onEvent = onEvent;
    this.#nowMs = nowMs;
    this.input = new TokenBucket(limits.bytesPerSecondIn, nowMs);
    this.output = new TokenBucket(limits.bytesPerSecondOut, nowMs);
    this.lines = new TokenBucket(limits.linesPerSecond, nowMs);
    this.lineBytes = new TokenBucket(limits.lineBytesPerSecond, nowMs);
  }

  /** The counters in `memory`, which may be another thread's. */
  static read(memory: SharedArrayBuffer): AccountSnapshot {
    const counters = new Float64Array(memory);
    const of = (counter: Counter): number => counters[Slot[counter]] ?? 0;
    const refused: Partial<Record<LimitName, number>> = {};
    for (const [index, name] of LIMIT_NAMES.entries()) {
      const count = counters[Slot.REFUSED + index] ?? 0;
      if (count > 0) refused[name] = count;
    }
    return {
      descriptors: of("descriptors"),
      sockets: of("sockets"),
      connections: of("connections"),
      accepted: of("accepted"),
      connected: of("connected"),
      bytesIn: of("bytesIn"),
      bytesOut: of("bytesOut"),
      hostBytes: of("hostBytes"),
      refused,
    };
  }

  snapshot(): AccountSnapshot {
    return Account.read(this.memory);
  }

  /** Takes `amount` where the limit allows it. @returns whether it does; if not, it is reported as a refusal */
  take(resource: Resource, amount = 1): boolean {
    const slot = SLOTS[resource];
    const wanted = (this.#counters[slot] ?? 0) + amount;
    if (wanted > this.limits[resource]) {
      this.refuse(resource, wanted);
      return false;
    }
    this.#counters[slot] = wanted;
    return true;
  }

  /** Takes `amount` whatever the limit is: of what the host gives to the plugin. */
  charge(resource: Resource, amount = 1): void {
    this.#add(SLOTS[resource], amount);
  }

  /** Gives back what was taken or charged. */
  give(resource: Resource, amount = 1): void {
    this.#add(SLOTS[resource], -amount);
  }

  /** Would {@link take} of one be refused? */
  isFull(resource: Resource): boolean {
    return (this.#counters[SLOTS[resource]] ?? 0) >= this.limits[resource];
  }

  count(counter: Exclude<Counter, "descriptors" | "connections" | "hostBytes">, amount = 1): void {
    this.#add(Slot[counter], amount);
  }

  /** Counts refusals, and reports them unless there was an event of the same limit within the last second. */
  refuse(limit: LimitName, value: string | number, count = 1): void {
    this.#add(Slot.REFUSED + LIMIT_NAMES.indexOf(limit), count);
    if (this.#onEvent === undefined) return;
    const nowMs = this.#nowMs();
    const report = this.#reports.get(limit);
    if (report !== undefined && nowMs - report.atMs < EVENT_INTERVAL_MS) {
      report.suppressed += count;
      return;
    }
    this.#reports.set(limit, { atMs: nowMs, suppressed: 0 });
    try {
      this.#onEvent({ plugin: this.plugin, limit, value, count: count + (report?.suppressed ?? 0) });
    } catch (error) {
      logThrown(`uncaptured exception of a listener of the plugin ${this.plugin}`, error);
    }
  }

  #add(slot: number, amount: number): void {
    this.#counters[slot] = (this.#counters[slot] ?? 0) + amount;
  }
}
