/**
 * Owns a simulated host: its addresses, its files, what it has open, and the programs that run on it. Knows the world by
 * what a host needs of it; knows no loop but by its turns.
 */

import type { Backend, Clock } from "../backend/backend.js";
import { checkFunction, checkString } from "../backend/check.js";
import { OSError } from "../backend/errors.js";
import { type Ip, isLoopback, isMulticast, isSame, LOOPBACK_4, LOOPBACK_6 } from "./addresses.js";
import { createBackend } from "./backend.js";
import { Descriptors, type OpenCount } from "./descriptors.js";
import { FileTree } from "./files.js";
import type { Faults } from "./faults.js";
import { type Course, LoopRun, type Machine } from "./loops.js";
import type { Names } from "./names.js";
import type { Network } from "./network.js";
import type { Waiting } from "./poll-set.js";
import { PortTable } from "./ports.js";
import type { Surroundings } from "./surroundings.js";
import { Trace, type TraceHash } from "./trace.js";

const PID_FIRST = 1000;

/** What runs on a host: called when it starts, and again when the host is back after a crash. */
export type Program = (host: SimHost) => unknown;

/** What a host is made with. */
export interface HostOptions {
  /** Further addresses: IPv6 ones, for example. */
  readonly addresses?: readonly string[];
  /** Names that are looked up to its addresses. */
  readonly names?: readonly string[];
  /** How many descriptors it may have open. Default 65,536. */
  readonly descriptorLimit?: number;
}

/** What a host needs of its world. */
export interface Around {
  readonly course: Course;
  readonly network: Network;
  readonly faults: Faults;
  readonly names: Names;
  readonly open: OpenCount;
  readonly hosts: readonly SimHost[];
  /** Nanoseconds since 1970 at which the world began. */
  readonly startNs: bigint;
  hostAt(ip: Ip): SimHost | undefined;
  block(timeoutMs: number, isReady: () => boolean): number;
  spend(isBlocking: boolean): void;
  /** A program ended with an error. */
  failed(error: unknown): void;
}

/** From one start of a host to its crash. */
interface Life {
  readonly descriptors: Descriptors;
  readonly backend: Backend;
  readonly loops: Set<LoopRun>;
}

/** A host of a {@link SimWorld}: made by `world.host(address)`. */
export class SimHost implements Surroundings, Machine {
  readonly address: string;
  readonly addresses: readonly string[];
  /** @internal */
  readonly index: number;
  /** @internal */
  readonly streams = new PortTable();
  /** @internal */
  readonly datagrams = new PortTable();
  /** @internal */
  busyUntilNs = 0;
  readonly #around: Around;
  readonly #ips: readonly Ip[];
  readonly #tree = new FileTree();
  readonly #descriptorLimit: number;
  readonly #programs: Program[] = [];
  #life: Life;
  #isUp = true;
  #pauses = 0;
  #clockShiftNs = 0n;

  /** @internal */
  constructor(around: Around, ips: readonly [Ip, ...Ip[]], descriptorLimit: number) {
    this.#around = around;
    this.#ips = ips;
    this.address = ips[0].text;
    this.addresses = ips.map(({ text }) => text);
    this.index = around.hosts.length;
    this.#descriptorLimit = descriptorLimit;
    this.#life = this.#begin();
  }

  /** Polls and does socket operations on this host: for `new ChannelMap({ backend })`. Another one after a crash. */
  get backend(): Backend {
    return this.#life.backend;
  }

  /** What SO_PEERCRED says of its programs. */
  get pid(): number {
    return PID_FIRST + this.index;
  }

  /** Is it up? Not between a crash and its return. */
  get isUp(): boolean {
    return this.#isUp;
  }

  get isPaused(): boolean {
    return this.#pauses > 0 || !this.#isUp;
  }

  /** How many descriptors it has open. */
  get openDescriptors(): number {
    return this.#life.descriptors.count;
  }

  /**
   * Runs a program on the host: calls it now, and again each time that the host is back after a crash. What it throws, or
   * rejects with, leaves `world.run`.
   */
  start(program: Program): this {
    checkFunction("program", program);
    this.#programs.push(program);
    if (this.#isUp) this.#call(program);
    return this;
  }

  /** Writes a file, and makes its directories. Files outlive a crash. @throws OSError */
  writeFile(path: string, data: string | Uint8Array): void {
    checkString("path", path);
    const failed = this.#tree.write(path, typeof data === "string" ? new TextEncoder().encode(data) : data);
    if (failed < 0) throw new OSError(this.backend.errorCode(failed), { errno: failed, syscall: "open", path });
  }

  /** What is in a file; undefined where there is none. */
  readFile(path: string): Uint8Array | undefined {
    return this.#tree.read(path);
  }

  /** Opens a file or a directory, by the flags of open(2), Linux's. @returns a descriptor. @throws OSError */
  open(path: string, flags = 0): number {
    checkString("path", path);
    const { descriptors } = this.#life;
    const refused = descriptors.refusal();
    const file = refused < 0 ? refused : this.#tree.openPath(path, flags);
    if (typeof file !== "number") return descriptors.add(file);
    throw new OSError(this.backend.errorCode(file), { errno: file, syscall: "open", path });
  }

  /** Removes a file, or the path of a Unix socket. @throws OSError */
  unlink(path: string): void {
    checkString("path", path);
    const failed = this.#tree.unlink(path);
    if (failed < 0) throw new OSError(this.backend.errorCode(failed), { errno: failed, syscall: "unlink", path });
  }

  /** Takes no turns until {@link resume}; calls are counted. The network goes on, as for a process that is stopped. */
  pause(): void {
    this.#pauses += 1;
    this.#note("pause");
  }

  resume(): void {
    if (this.#pauses === 0) return;
    this.#pauses -= 1;
    this.#note("resume");
    if (!this.isPaused) for (const loop of this.#life.loops) loop.resume();
  }

  /**
   * Ends everything on it without a word to anybody. Its loops are never heard of again, as those of a process that was
   * killed. What peers send is sent again, until it is back and resets their connections, or they give up.
   */
  crash(): void {
    if (!this.#isUp) return;
    this.#isUp = false;
    this.#note("crash");
    const { descriptors, loops } = this.#life;
    for (const loop of loops) loop.abandon();
    loops.clear();
    descriptors.abandon();
    this.streams.clear();
    this.datagrams.clear();
    this.#tree.forgetSockets();
  }

  /** It is back after a crash, with its files, and its programs start anew. */
  restart(): void {
    if (this.#isUp) return;
    this.#isUp = true;
    this.busyUntilNs = this.nowNs;
    this.#life = this.#begin();
    this.#note("restart");
    for (const program of this.#programs) this.#call(program);
  }

  /** Moves the realtime clock: forward, or back where negative. The monotonic clock goes on. */
  jumpClock(ms: number): void {
    this.#clockShiftNs += BigInt(Math.round(ms * 1e6));
    this.#note("jump");
  }

  /** @internal */
  get network(): Network {
    return this.#around.network;
  }

  /** @internal */
  get faults(): Faults {
    return this.#around.faults;
  }

  /** @internal */
  get trace(): TraceHash {
    return this.#around.course.trace;
  }

  /** @internal */
  get nowNs(): number {
    return this.#around.course.timeline.nowNs;
  }

  /** @internal */
  get all(): readonly SimHost[] {
    return this.#around.hosts;
  }

  /** @internal */
  owns(ip: Ip): boolean {
    return isLoopback(ip) || this.#ips.some((own) => isSame(own, ip));
  }

  /** @internal */
  hostAt(ip: Ip): SimHost | undefined {
    return this.owns(ip) ? this : this.#around.hostAt(ip);
  }

  /** @internal */
  sourceFor(ip: Ip): Ip | undefined {
    if (isLoopback(ip)) return ip.version === 4 ? LOOPBACK_4 : LOOPBACK_6;
    if (!isMulticast(ip) && this.owns(ip)) return ip;
    const own = this.#ips.find(({ version }) => version === ip.version);
    if (own !== undefined || !isMulticast(ip)) return own;
    return ip.version === 4 ? LOOPBACK_4 : LOOPBACK_6;
  }

  #note(what: string): void {
    this.trace.add(Trace.HOST, this.nowNs, this.index, 0);
    this.trace.text(what);
  }

  #call(program: Program): void {
    const fail = (error: unknown): void => this.#around.failed(error);
    const life = this.#life;
    try {
      const result: unknown = program(this);
      if (result instanceof Promise) {
        result.catch((error: unknown) => {
          // What a crash has ended has no more to say.
          if (this.#life === life) fail(error);
        });
      }
    } catch (error) {
      fail(error);
    }
  }

  #begin(): Life {
    const around = this.#around;
    const { course, faults, names } = around;
    const { timeline } = course;
    const descriptors = new Descriptors(this.#descriptorLimit, around.open, faults, this.address);
    const loops = new Set<LoopRun>();
    const isOver = (): boolean => this.#life.descriptors !== descriptors;
    const waiting: Waiting = {
      fileOf: (fd) => descriptors.of(fd),
      block: (timeoutMs, isReady) => around.block(timeoutMs, isReady),
      spend: (isBlocking) => around.spend(isBlocking),
      soon: (call) => void timeline.plan(timeline.nowNs, call),
      isInterrupted: () => faults.any && faults.hits("interrupt", this.address, "a wait"),
      forget: (set) => void descriptors.sets.delete(set),
    };
    const clock: Clock = {
      monotonicNs: () => timeline.nowNs,
      realtimeNs: () => around.startNs + BigInt(timeline.nowNs) + this.#clockShiftNs,
      turnTaker: {
        take: (turns, signal) => {
          // A loop of a life that is over waits for ever.
          if (isOver() || !this.#isUp) return new Promise(() => undefined);
          const loop = new LoopRun(course, this, turns, signal);
          loops.add(loop);
          return loop.run().finally(() => loops.delete(loop));
        },
      },
    };
    const backend = createBackend({
      around: this,
      descriptors,
      tree: this.#tree,
      names,
      waiting,
      clock,
      pid: this.pid,
      later: (delayMs, call) => {
        timeline.plan(timeline.nowNs + Math.ceil(delayMs * 1e6), () => {
          if (isOver()) return;
          course.activity += 1;
          call();
        });
      },
    });
    return { descriptors, backend, loops };
  }
}
