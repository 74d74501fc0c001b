/**
 * Owns a run of a plugin on this thread, a turn at a time beside others. Knows the meter that ends a turn which takes too long;
 * knows no restart.
 */

import type { Backend } from "../backend/backend.js";
import { GuestTrap } from "../guest/run.js";
import { driveTurns } from "../guest/turns.js";
import type { CompiledCode } from "./code.js";
import { Command, Control, Phase } from "./control.js";
import { againOf, forwarding } from "./controlled-backend.js";
import { createGranted, type Grant, type Granted } from "./grant.js";
import { type Functions, Instance } from "./instance.js";
import { Meter } from "./metering/meter.js";
import { Deferred, type PluginEnding, type Run, type RunHooks, type RunUsage } from "./run.js";
import { SharedPoll } from "./shared-poll.js";
import { trapMemory } from "./trap-memory.js";

const NS_PER_MS = 1e6;

/** What the plugins on a thread share: one poll set. */
export class SharedThread {
  readonly backend: Backend;
  readonly #poll: SharedPoll;

  constructor(backend: Backend) {
    this.#poll = new SharedPoll(backend);
    const again = againOf(backend);
    this.backend = { ...forwarding(backend), createPollSet: () => this.#poll.createSet(again) };
  }

  /** Is one of them ready, and has not had its turn? */
  get hasReady(): boolean {
    return this.#poll.hasReady;
  }

  close(): void {
    this.#poll.close();
  }
}

export class SharedRun implements Run {
  readonly #thread: SharedThread;
  readonly #code: CompiledCode;
  readonly #control = new Control();
  readonly #up = new Deferred<boolean>();
  readonly #ended = new Deferred<PluginEnding>();
  readonly #abort = new AbortController();
  readonly #granted: Granted;
  readonly #meter: Meter;
  #instance: Instance | undefined;
  #pending = 0;
  #hasWaited = false;
  #ending: PluginEnding | undefined;
  #isOver = false;

  constructor(thread: SharedThread, code: CompiledCode, grant: Grant, hooks: RunHooks) {
    const { clock } = thread.backend;
    const { cpuMsPerTurn, cpuMsTotal } = grant.policy.limits;
    this.#thread = thread;
    this.#code = code;
    const allowance = { turnNs: cpuMsPerTurn * NS_PER_MS, totalNs: cpuMsTotal * NS_PER_MS };
    this.#meter = new Meter(allowance, () => Number(clock.threadCpuNs()), clock.monotonicNs);
    this.#granted = createGranted(thread.backend, grant, this.#control, {
      commandFd: undefined,
      onPolicyEvent: hooks.onPolicyEvent,
      onConnect: hooks.onConnect,
      onLines: (stream, lines) => {
        for (const line of lines) hooks.onLine(stream, line);
      },
      onWait: () => Infinity,
      onUp: () => (this.#hasWaited = true),
      onDrained: () => this.kill({ kind: "stopped", isGraceful: true }),
    });
    this.#granted.answering.poller.waits = false;
    // Not in the call that starts it: whoever starts it has it before anything happens.
    setImmediate(() => void this.#run());
  }

  get up(): Promise<boolean> {
    return this.#up.promise;
  }

  get ended(): Promise<PluginEnding> {
    return this.#ended.promise;
  }

  get usage(): RunUsage {
    const memoryBytes = this.#instance?.memoryBytes ?? 0;
    return { memoryBytes, cpuMs: this.#meter.usedNs / NS_PER_MS, turns: this.#control.turns };
  }

  connections(): Iterable<number> {
    return this.#control.openConnections();
  }

  drain(): void {
    if (this.#isOver || this.#control.command >= Command.DRAIN) return;
    this.#control.command = Command.DRAIN;
    this.#granted.controlled.obey();
  }

  kill(ending: PluginEnding): void {
    this.#ending ??= ending;
    this.#control.command = Command.KILL;
    this.#abort.abort();
  }

  async #run(): Promise<void> {
    let ending: PluginEnding;
    try {
      ending = this.#ending ?? (await this.#turns());
    } catch (error) {
      ending = this.#failure(error);
    }
    ending = this.#ending ??= ending;
    this.#isOver = true;
    const isGraceful = ending.kind === "exit" || (ending.kind === "stopped" && ending.isGraceful);
    this.#granted.close(isGraceful);
    this.#instance = undefined;
    this.#up.resolve(ending.kind === "exit" && ending.code === 0);
    this.#ended.resolve(ending);
  }

  async #turns(): Promise<PluginEnding> {
    const { answering: preview1 } = this.#granted;
    const { module, prepared } = this.#code;
    const meter = this.#meter;
    const instance = new Instance(module, preview1, {
      start: prepared.start,
      imports: metered(preview1.imports, meter),
      onInstance: (exports) => meter.attach(exports, prepared),
    });
    this.#instance = instance;
    this.#control.phase = Phase.RUNNING;
    this.#inTurn(() => {
      instance.begin();
      instance.call("_initialize");
    });
    if (instance.exitCode !== undefined) return { kind: "exit", code: instance.exitCode };
    const thread = this.#thread;
    const taker = {
      get exitCode() {
        return instance.exitCode;
      },
      get isOtherReady() {
        return thread.hasReady;
      },
      // How many it has is asked within the turn: that is the guest's code as well.
      turn: (timeoutNs: bigint): number =>
        this.#inTurn(() => {
          const ready = instance.turn(timeoutNs);
          this.#pending = instance.pending();
          return ready;
        }),
      pending: () => this.#pending,
    };
    const code = await driveTurns(taker, preview1.poller, this.#abort.signal);
    return { kind: "exit", code };
  }

  #inTurn<T>(turn: () => T): T {
    const meter = this.#meter;
    meter.beginTurn();
    let result: T;
    try {
      result = turn();
    } finally {
      meter.endTurn();
      // One that waits in the middle of its first turn has not come up.
      if (this.#hasWaited && !this.#granted.answering.poller.isBlocked) this.#up.resolve(true);
    }
    if (this.#instance?.exitCode === undefined && meter.hasOverrun) throw new RangeError("the turn has taken too long");
    return result;
  }

  #failure(error: unknown): PluginEnding {
    const { overrun, usedNs, lastTurnNs } = this.#meter;
    if (overrun !== undefined) {
      const isTurn = overrun === "turn";
      const limit = isTurn ? "cpuMsPerTurn" : "cpuMsTotal";
      return { kind: "limit", limit, value: Math.round((isTurn ? lastTurnNs : usedNs) / NS_PER_MS) };
    }
    if (error instanceof GuestTrap) {
      const memory = trapMemory(this.#instance?.memoryBytes, this.#code.memoryLimit);
      return { kind: "trap", error: this.#code.locate(error), memory };
    }
    return { kind: "failed", error: error instanceof Error ? error : new Error(String(error)) };
  }
}

/** The functions, with a look at the clock after some calls. */
function metered(imports: Functions, meter: Meter): Functions {
  const wrapped: Record<string, unknown> = {};
  for (const [name, call] of Object.entries(imports)) {
    wrapped[name] = (...parameters: unknown[]): unknown => {
      meter.hostCalled();
      return (call as (...parameters: unknown[]) => unknown)(...parameters);
    };
  }
  return wrapped;
}
