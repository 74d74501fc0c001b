/**
 * Owns a simulated world: its hosts, the network between them, and its faults. Knows hosts; knows no socket.
 */

import {
  checkArray,
  checkBoolean,
  checkFunction,
  checkInstance,
  checkInteger,
  checkMs,
  checkOptions,
  checkString,
  rangeError,
  TIME_MAX_MS,
} from "../backend/check.js";
import { type Ip, ipOf, isAny, isLoopback, isMulticast } from "./addresses.js";
import type { OpenCount } from "./descriptors.js";
import type { FaultFilter, FaultTable, Injection } from "./fault-table.js";
import { Faults } from "./faults.js";
import { type Around, Machine } from "./host.js";
import type { Course } from "./loops.js";
import { Names } from "./names.js";
import { type Cut, Network } from "./network.js";
import type { HostOptions, SimHost } from "./public-host.js";
import { peersIn } from "./recorded.js";
import type { RecordedOptions, RecordedWorld } from "./recorded-world.js";
import { type RunEnd, Runner, type RunOptions } from "./runner.js";
import { planSchedules } from "./schedule.js";
import { Timeline } from "./timeline.js";
import { Trace, TraceHash } from "./trace.js";

const NS_PER_MS = 1e6;
/** 2000-01-01T00:00:00Z. */
const START_MS = 946_684_800_000;
const DESCRIPTOR_LIMIT = 65_536;
const OPEN_MAX = 1_000_000;
const FRESH_MAX = 0x2_0000;
/** A year, within which the nanoseconds of a clock are exact to 2. */
const LIMIT_MS = 365 * 24 * 3600 * 1000;

/** What a world is made with. */
export interface WorldOptions {
  /** The same seed gives the same run. A whole number of 32 bits; default 1. */
  readonly seed?: number;
  /** The realtime at which it begins: a Date, or milliseconds since 1970. Default 2000-01-01T00:00:00Z. */
  readonly start?: Date | number;
  readonly faults?: FaultTable;
  /** From this time on no fault comes; one that has begun ends as planned. For asking whether all recovers. Default: never. */
  readonly faultsUntilMs?: number;
  /** Leaves some of the faults out: for looking for those that matter. */
  readonly leavesOut?: FaultFilter;
  /** A wait that blocks fails with EDEADLK at this time. Default: a year. */
  readonly limitMs?: number;
}

const WORLD_OPTIONS = ["seed", "start", "faults", "faultsUntilMs", "leavesOut", "limitMs"] as const;
const HOST_OPTIONS = ["addresses", "names", "descriptorLimit"] as const;

/** Hosts with a network between them, in memory, with a time of their own. */
export class SimWorld {
  readonly seed: number;
  /** The realtime at which it began, in milliseconds since 1970. */
  readonly startMs: number;
  readonly #timeline = new Timeline();
  readonly #trace = new TraceHash();
  readonly #faults: Faults;
  readonly #network: Network;
  readonly #names: Names;
  readonly #hosts: Machine[] = [];
  readonly #byIp = new Map<string, Machine>();
  #fresh = 0;
  readonly #around: Around;
  readonly #course: Course;
  readonly #runner: Runner;

  constructor(options: WorldOptions = {}) {
    checkOptions("options", options as unknown, WORLD_OPTIONS);
    const { seed = 1, start = START_MS, faults = {}, faultsUntilMs, leavesOut, limitMs = LIMIT_MS } = options;
    checkInteger("options.seed", seed, 0, 0xffff_ffff);
    const startMs: unknown = typeof start === "object" ? (start as Partial<Date> | null)?.getTime?.() : start;
    checkTime("options.start", startMs);
    checkTime("options.limitMs", limitMs);
    if (faultsUntilMs !== undefined) checkMs("options.faultsUntilMs", faultsUntilMs);
    if (leavesOut !== undefined) checkFunction("options.leavesOut", leavesOut);
    this.seed = seed;
    this.startMs = startMs;
    const timeline = this.#timeline;
    const trace = this.#trace;
    this.#faults = new Faults(
      faults,
      seed,
      (faultsUntilMs ?? Infinity) * NS_PER_MS,
      leavesOut,
      () => timeline.nowNs,
      (name, host) => {
        trace.add(Trace.FAULT, timeline.nowNs, 0, 0);
        trace.text(name + host);
      },
    );
    this.#network = new Network(timeline, this.#faults);
    this.#names = new Names(this.#faults);
    this.#course = { timeline, trace, turns: 0, activity: 0, loops: new Set() };
    this.#runner = new Runner(this.#course, limitMs * NS_PER_MS);
    const open: OpenCount = { count: 0, max: OPEN_MAX };
    this.#around = {
      course: this.#course,
      network: this.#network,
      faults: this.#faults,
      names: this.#names,
      open,
      hosts: this.#hosts,
      seed,
      startNs: BigInt(Math.round(startMs * 1000)) * 1000n,
      hostAt: (ip) => this.#byIp.get(ip.text),
      block: (timeoutMs, isReady) => this.#runner.block(timeoutMs, isReady),
      spend: (isBlocking) => this.#runner.spend(isBlocking),
      failed: (error) => this.#runner.failed(error),
    };
    planSchedules(this.#faults, timeline, this);
  }

  /** The host with an address, which is made where there is none. `options` are for a host that is made. */
  host(address: string, options: HostOptions = {}): SimHost {
    checkString("address", address);
    checkOptions("options", options as unknown, HOST_OPTIONS);
    const ip = hostIp("address", address);
    const found = this.#byIp.get(ip.text);
    if (found !== undefined) return found;
    const { addresses = [], names = [], descriptorLimit = DESCRIPTOR_LIMIT } = options;
    checkArray("options.addresses", addresses);
    checkArray("options.names", names);
    checkInteger("options.descriptorLimit", descriptorLimit, 0, DESCRIPTOR_LIMIT);
    const others = addresses.map((each, index) => hostIp(`options.addresses[${index}]`, each));
    for (const [index, name] of names.entries()) checkString(`options.names[${index}]`, name);
    const host = new Machine(this.#around, [ip, ...others], descriptorLimit);
    this.#hosts.push(host);
    for (const { text } of [ip, ...others]) this.#byIp.set(text, host);
    for (const name of names) for (const { text } of [ip, ...others]) this.#names.add(name, text);
    return host;
  }

  /**
   * Plays the peers of a recording of a program, each on a host of its own: they connect to the program and send what they sent when
   * they did, whatever it answers. Run the program on the `host` that is returned, changed or not.
   * @param recording the path of a file, or its contents; with payloads, and from the program's beginning on
   * @throws RecordingError for what cannot be played, an error of node:fs
   */
  from(recording: string | Uint8Array, options: RecordedOptions = {}): RecordedWorld {
    return peersIn(
      {
        timeline: this.#timeline,
        host: (address, addresses = []) => machine("host", this.host(address, { addresses })),
        freshHost: () => machine("host", this.host(this.#unusedAddress())),
        addName: (name, address) => this.#names.add(name, address),
      },
      recording,
      options,
    );
  }

  /** One of 198.18.0.0/15, which is for tests of networks. */
  #unusedAddress(): string {
    while (true) {
      const number = ++this.#fresh;
      if (number >= FRESH_MAX) throw new RangeError(`more than ${FRESH_MAX} hosts without an address of their own`);
      const address = `198.${18 + (number >> 16)}.${(number >> 8) & 255}.${number & 255}`;
      if (!this.#byIp.has(address)) return address;
    }
  }

  /** In the order in which they were made. */
  get hosts(): readonly SimHost[] {
    return this.#hosts;
  }

  /** Milliseconds since the world began. */
  get nowMs(): number {
    return this.#timeline.nowNs / NS_PER_MS;
  }

  /** How many turns its loops have taken. */
  get turns(): number {
    return this.#course.turns;
  }

  /** How many loops run in it. */
  get loops(): number {
    return this.#course.loops.size;
  }

  /**
   * Calls back at a time of the world, in milliseconds since it began: what a test does in the middle of a run.
   * @returns a call that cancels it
   */
  at(timeMs: number, callback: () => void): () => void {
    checkMs("timeMs", timeMs);
    checkFunction("callback", callback);
    const planned = this.#timeline.plan(timeMs * NS_PER_MS, () => {
      this.#course.activity += 1;
      callback();
    });
    return () => this.#timeline.cancel(planned);
  }

  /**
   * Nothing passes from one host to another, or between them; without `to`, to and from every host. TCP sends again, and
   * gives up after some 15 minutes; datagrams are lost.
   * @returns a call that ends it
   */
  partition(from: SimHost, to?: SimHost, oneWay = false): () => void {
    checkBoolean("oneWay", oneWay);
    const [one, other] = [machine("from", from), to === undefined ? undefined : machine("to", to)];
    const cuts: Cut[] = [{ from: one, to: other }];
    if (!oneWay) cuts.push({ from: other, to: one });
    for (const cut of cuts) this.#network.cut(cut);
    return () => {
      for (const cut of cuts) this.#network.mend(cut);
    };
  }

  /**
   * Runs the loops of all hosts in the order of the world's time; an idle hour costs nothing. Between turns, promises of
   * the process go on: do not wait for anything in them that is outside of the world.
   * @throws what a program of a host threw, or rejected with
   */
  async run(options: RunOptions = {}): Promise<RunEnd> {
    return this.#runner.run(options);
  }

  /** The same, but blocks: no promise goes on meanwhile, as in `loopSync`. */
  runSync(options: RunOptions = {}): RunEnd {
    return this.#runner.runSync(options);
  }

  /** Ends the threads of guests that have not ended by themselves; they also end with the process. For `using`. */
  [Symbol.dispose](): void {
    for (const host of this.#hosts) host.close();
  }

  /** 16 hexadecimal digits, made of all that has happened so far. */
  traceHash(): string {
    return this.#trace.toString();
  }

  /** The faults that came, a line each. */
  explain(): string {
    return this.#faults.explain();
  }

  /** The faults that came; no more than the first 100,000. */
  get injections(): readonly Injection[] {
    return this.#faults.injections;
  }
}

function checkTime(name: string, ms: unknown): asserts ms is number {
  checkMs(name, ms);
  if (ms > TIME_MAX_MS) throw rangeError(name, "a time that a Date can have", ms);
}

function hostIp(name: string, address: unknown): Ip {
  checkString(name, address);
  const ip = ipOf(address);
  if (ip === undefined || isAny(ip) || isLoopback(ip) || isMulticast(ip)) {
    throw rangeError(name, "a numeric address that a host can have", JSON.stringify(address));
  }
  return ip;
}

function machine(name: string, host: SimHost): Machine {
  checkInstance(name, host, Machine);
  return host;
}
