/**
 * Owns a simulated host: its addresses, its files, what it has open, and the programs that run on it. Knows the world by
 * what a host needs of it; knows no loop but by its turns.
 */

import type { Backend, Clock } from "../backend/backend.js";
import { checkBytes, checkFunction, checkInteger, checkString } from "../backend/check.js";
import { OSError } from "../backend/errors.js";
import { type Endpoint, type Ip, isLoopback, isMulticast, isSame, LOOPBACK_4, LOOPBACK_6 } from "./addresses.js";
import { createBackend } from "./backend.js";
import { Descriptors, type OpenCount } from "./descriptors.js";
import { checkJump } from "./fault-table.js";
import type { Faults } from "./faults.js";
import { type SimGuest, type SimGuestOptions, startGuest } from "./guests.js";
import type { GuestTurns } from "./guest-turns.js";
import { Volume } from "./inode.js";
import { type Course, LoopRun, type Place } from "./loops.js";
import type { Program, SimHost } from "./public-host.js";
import type { Names } from "./names.js";
import type { Network } from "./network.js";
import type { Waiting } from "./poll-set.js";
import { PortTable } from "./ports.js";
import type { Surroundings } from "./surroundings.js";
import { Trace, type TraceHash } from "./trace.js";
import { FileTree } from "./tree.js";
import { UnixNames } from "./unix-names.js";
import { runAt } from "./whereabouts.js";

/** Generators of guests are behind those of faults, whatever their number. */
const GUEST_STREAM = 0x4000_0000;
/** Guests of a host that have random bytes of their own. */
const GUESTS_MAX = 1024;
const PID_FIRST = 1000;
/** What reading the clock of CPU time takes of it: who waits for that clock sees it go on. */
const CLOCK_READ_NS = 100;

/** What a host needs of its world. */
export interface Around {
  readonly course: Course;
  readonly network: Network;
  readonly faults: Faults;
  readonly names: Names;
  readonly open: OpenCount;
  readonly hosts: readonly Machine[];
  readonly seed: number;
  /** Nanoseconds since 1970 at which the world began. */
  readonly startNs: bigint;
  hostAt(ip: Ip): Machine | undefined;
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
  readonly guests: Set<GuestTurns>;
}

export class Machine implements SimHost, Surroundings, Place {
  readonly address: string;
  readonly addresses: readonly string[];
  readonly index: number;
  readonly streams = new PortTable();
  readonly datagrams = new PortTable();
  busyUntilNs = 0;
  cpuNs = 0;
  readonly #around: Around;
  readonly #ips: readonly Ip[];
  readonly #tree: FileTree;
  readonly #unixNames: UnixNames;
  readonly #descriptorLimit: number;
  readonly #programs: Program[] = [];
  opened: Surroundings["opened"];
  #routes: Map<string, Machine> | undefined;
  #life: Life;
  #isUp = true;
  crashes = 0;
  /** Is a program being called? */
  #isStarting = false;
  #guests = 0;
  #pauses = 0;
  #clockShiftNs = 0n;

  constructor(around: Around, ips: readonly [Ip, ...Ip[]], descriptorLimit: number) {
    this.#around = around;
    this.#ips = ips;
    this.address = ips[0].text;
    this.addresses = ips.map(({ text }) => text);
    this.index = around.hosts.length;
    this.#descriptorLimit = descriptorLimit;
    this.#tree = new FileTree(new Volume(() => this.#realtimeNs()));
    this.#unixNames = new UnixNames(this.#tree);
    this.#life = this.#begin();
  }

  get backend(): Backend {
    return this.#life.backend;
  }

  get pid(): number {
    return PID_FIRST + this.index;
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  get isPaused(): boolean {
    return this.#pauses > 0 || !this.#isUp;
  }

  get openDescriptors(): number {
    return this.#life.descriptors.count;
  }

  start(program: Program): this {
    checkFunction("program", program);
    this.#programs.push(program);
    if (this.#isUp) this.#call(program);
    return this;
  }

  guest(module: Uint8Array, options?: SimGuestOptions): SimGuest {
    const stream = GUEST_STREAM + this.index * GUESTS_MAX + this.#guests++;
    const ground = {
      host: this,
      seed: this.#around.seed,
      stream,
      began: (turns: GuestTurns) => void this.#life.guests.add(turns),
    };
    return startGuest(ground, module, options);
  }

  /** Ends its guests' threads. */
  close(): void {
    for (const guest of this.#life.guests) guest.end();
    this.#life.guests.clear();
  }

  writeFile(path: string, data: string | Uint8Array): void {
    checkString("path", path);
    if (typeof data !== "string") checkBytes("data", data, "a string or a Uint8Array");
    const failed = this.#tree.write(path, typeof data === "string" ? new TextEncoder().encode(data) : data);
    if (failed < 0) throw new OSError(this.backend.errorCode(failed), { errno: failed, syscall: "open", path });
  }

  makeDirectory(path: string): void {
    checkString("path", path);
    const failed = this.#tree.makeParents(`${path}/`);
    if (failed < 0) throw new OSError(this.backend.errorCode(failed), { errno: failed, syscall: "mkdir", path });
  }

  readFile(path: string): Uint8Array | undefined {
    checkString("path", path);
    return this.#tree.read(path);
  }

  open(path: string, flags = 0): number {
    checkString("path", path);
    checkInteger("flags", flags, -0x8000_0000, 0x7fff_ffff);
    const { descriptors } = this.#life;
    const refused = descriptors.refusal();
    const file = refused < 0 ? refused : this.#tree.open(this.#tree.root, path, flags, 0o666, this.#tree.root);
    if (typeof file !== "number") return descriptors.add(file);
    throw new OSError(this.backend.errorCode(file), { errno: file, syscall: "open", path });
  }

  unlink(path: string): void {
    checkString("path", path);
    const failed = this.#tree.removeFile(this.#tree.root, path, this.#tree.root);
    if (failed < 0) throw new OSError(this.backend.errorCode(failed), { errno: failed, syscall: "unlink", path });
  }

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

  crash(): void {
    if (!this.#isUp) return;
    this.#isUp = false;
    this.crashes += 1;
    this.#note("crash");
    const { descriptors, loops } = this.#life;
    for (const loop of loops) loop.abandon();
    this.close();
    loops.clear();
    descriptors.abandon();
    this.streams.clear();
    this.datagrams.clear();
    this.#unixNames.forgetAll();
  }

  restart(): void {
    if (this.#isUp) return;
    if (this.#isStarting) {
      const message = `host ${this.address}: a program cannot restart the host that is starting it`;
      throw Object.assign(new Error(message), { code: "ERR_HOST_STARTING" });
    }
    this.#isUp = true;
    this.busyUntilNs = this.nowNs;
    this.#life = this.#begin();
    this.#note("restart");
    for (const program of this.#programs) if (this.#isUp) this.#call(program);
  }

  jumpClock(ms: number): void {
    checkJump("ms", ms);
    this.#clockShiftNs += BigInt(Math.round(ms * 1e6));
    this.#note("jump");
  }

  get network(): Network {
    return this.#around.network;
  }

  get faults(): Faults {
    return this.#around.faults;
  }

  get trace(): TraceHash {
    return this.#around.course.trace;
  }

  get nowNs(): number {
    return this.#around.course.timeline.nowNs;
  }

  get all(): readonly Machine[] {
    return this.#around.hosts;
  }

  owns(ip: Ip): boolean {
    return isLoopback(ip) || this.#ips.some((own) => isSame(own, ip));
  }

  hostAt(ip: Ip, port: number): Machine | undefined {
    const elsewhere = this.#routes?.get(routeOf(ip, port));
    if (elsewhere !== undefined) return elsewhere;
    return this.owns(ip) ? this : this.#around.hostAt(ip);
  }

  /** What it sends to this address and port reaches another host, also where the address is one of its own. */
  route({ ip, port }: Endpoint, to: Machine): void {
    this.#routes ??= new Map();
    this.#routes.set(routeOf(ip, port), to);
  }

  sourceFor(ip: Ip): Ip | undefined {
    if (isLoopback(ip)) return ip.version === 4 ? LOOPBACK_4 : LOOPBACK_6;
    if (!isMulticast(ip) && this.owns(ip)) return ip;
    const own = this.#ips.find(({ version }) => version === ip.version);
    if (own !== undefined || !isMulticast(ip)) return own;
    return ip.version === 4 ? LOOPBACK_4 : LOOPBACK_6;
  }

  #realtimeNs(): bigint {
    return this.#around.startNs + BigInt(this.nowNs) + this.#clockShiftNs;
  }

  #note(what: string): void {
    this.trace.add(Trace.HOST, this.nowNs, this.index, 0);
    this.trace.text(what);
  }

  #call(program: Program): void {
    const fail = (error: unknown): void => this.#around.failed(error);
    const life = this.#life;
    const wasStarting = this.#isStarting;
    this.#isStarting = true;
    try {
      const result: unknown = runAt(life, () => program(this));
      if (result instanceof Promise) {
        result.catch((error: unknown) => {
          // What a crash has ended has no more to say.
          if (this.#life === life) fail(error);
        });
      }
    } catch (error) {
      fail(error);
    } finally {
      this.#isStarting = wasStarting;
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
      realtimeNs: () => this.#realtimeNs(),
      threadCpuNs: () => {
        this.cpuNs += CLOCK_READ_NS;
        return BigInt(this.cpuNs);
      },
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
      unixNames: this.#unixNames,
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
    return { descriptors, backend, loops, guests: new Set() };
  }
}

const routeOf = (ip: Ip, port: number): string => `${ip.text} ${port}`;
