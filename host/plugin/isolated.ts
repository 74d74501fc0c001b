/**
 * Owns a run of a plugin in a thread of its own, from outside: starts the thread, limits what it uses, ends it. Knows the
 * thread's messages; knows no restart.
 */

import { Worker } from "node:worker_threads";
import type { Backend } from "../backend/backend.js";
import { OSError } from "../backend/errors.js";
import { GuestError, type GuestErrorCode, GuestTrap } from "../guest/run.js";
import type { CompiledCode } from "./code.js";
import { Command, Control, Phase } from "./control.js";
import { resetConnections } from "./controlled-backend.js";
import { PluginError } from "./errors.js";
import type { Grant } from "./grant.js";
import type { IsolatedData, IsolatedMessage } from "./isolated-thread.js";
import type { MappedThread, ThreadMappings } from "./mappings.js";
import { Deferred, type PluginEnding, type Run, type RunHooks, type RunUsage } from "./run.js";
import { isThreadCpuTold, threadCpuNs } from "./thread-cpu.js";
import { ThreadPriority } from "./thread-priority.js";
import { trapMemory } from "./trap-memory.js";

const NS_PER_MS = 1e6;
const NS_PER_US = 1000;
const MIB = 2 ** 20;
const PAGE = 65_536;
/** What the host's own code and its tables take in a thread, beside what the policy allows for the plugin. */
const HEAP_MIB = 48;
const YOUNG_MIB = 8;
const STACK_MIB = 4;
const BYTE = Uint8Array.of(1);
/** A turn that computes for longer does so at a lower priority. */
const LONG_TURN_NS = 40 * NS_PER_MS;

const STOPPED: PluginEnding = { kind: "stopped", isGraceful: true };

export class IsolatedRun implements Run {
  readonly #backend: Backend;
  readonly #code: CompiledCode;
  readonly #grant: Grant;
  readonly #hooks: RunHooks;
  readonly #control = new Control();
  readonly #priority = new ThreadPriority(() => this.#control.thread);
  readonly #up = new Deferred<boolean>();
  readonly #ended = new Deferred<PluginEnding>();
  readonly #worker: Worker;
  readonly #mapped: MappedThread;
  readonly #commandFds: readonly [readFd: number, writeFd: number];
  #ending: PluginEnding | undefined;
  #isOver = false;
  #cpuNs = 0;
  /** At the last look: which turn it was, whether the guest waited, and its CPU time when the turn was first seen. */
  #seenTurns = -1;
  #seenWaiting = false;
  #turnCpuNs = 0;
  #busyNs = 0;

  /** @throws OSError where there is no descriptor for the pipe, PluginError ERR_PLUGIN_MAPPINGS */
  constructor(backend: Backend, code: CompiledCode, grant: Grant, hooks: RunHooks, mappings: ThreadMappings) {
    this.#backend = backend;
    this.#code = code;
    this.#grant = grant;
    this.#hooks = hooks;
    this.#mapped = mappedThread(grant.plugin, code.mappings, mappings);
    this.#commandFds = this.#openPipe();
    const workerData: IsolatedData = {
      module: code.module,
      component: code.component,
      start: code.prepared.start,
      grant,
      controlMemory: this.#control.memory,
      commandFd: this.#commandFds[0],
    };
    const { maxHostBytes } = grant.policy.limits;
    const heapMib = HEAP_MIB + (maxHostBytes === Infinity ? 1024 : Math.ceil(maxHostBytes / MIB));
    try {
      this.#worker = new Worker(new URL("./worker.js", import.meta.url), {
        workerData,
        env: {},
        execArgv: [],
        name: grant.plugin,
        resourceLimits: {
          maxOldGenerationSizeMb: heapMib,
          maxYoungGenerationSizeMb: YOUNG_MIB,
          stackSizeMb: STACK_MIB,
        },
      });
    } catch (error) {
      this.#closePipe();
      this.#mapped.end();
      throw error;
    }
    this.#worker.on("message", this.#onMessage);
    this.#worker.on("error", this.#onError);
    // Before the descriptors that the thread has left are closed: that listener is added later.
    this.#worker.once("exit", this.#onExit);
  }

  get up(): Promise<boolean> {
    return this.#up.promise;
  }

  get ended(): Promise<PluginEnding> {
    return this.#ended.promise;
  }

  get usage(): RunUsage {
    this.#look();
    const { memoryPages, turns } = this.#control;
    return { memoryBytes: memoryPages * PAGE, cpuMs: this.#cpuNs / NS_PER_MS, turns };
  }

  connections(): Iterable<number> {
    return this.#control.openConnections();
  }

  drain(): void {
    this.#command(Command.DRAIN);
  }

  kill(ending: PluginEnding): void {
    this.#ending ??= ending;
    this.#priority.restore();
    this.#command(Command.KILL);
    void this.#worker.terminate();
  }

  /** Ends it where it has used up its CPU time. To be called now and then. */
  check(elapsedNs: number): void {
    const control = this.#control;
    if (this.#ending !== undefined || control.phase === Phase.STARTING) return;
    const { turns, isWaiting } = control;
    if (isWaiting || turns !== this.#seenTurns) this.#priority.restore();
    if (isWaiting && this.#seenWaiting && turns === this.#seenTurns) return;
    if (!isWaiting) this.#busyNs += elapsedNs;
    this.#look();
    const { cpuMsPerTurn, cpuMsTotal } = this.#grant.policy.limits;
    if (this.#cpuNs > cpuMsTotal * NS_PER_MS) return this.#exceed("cpuMsTotal", this.#cpuNs);
    if (isWaiting || turns !== this.#seenTurns || this.#seenWaiting) this.#turnCpuNs = this.#cpuNs;
    else if (this.#cpuNs - this.#turnCpuNs > cpuMsPerTurn * NS_PER_MS) {
      return this.#exceed("cpuMsPerTurn", this.#cpuNs - this.#turnCpuNs);
    } else if (this.#cpuNs - this.#turnCpuNs > LONG_TURN_NS) this.#priority.lower();
    this.#seenTurns = turns;
    this.#seenWaiting = isWaiting;
  }

  #exceed(limit: "cpuMsTotal" | "cpuMsPerTurn", ns: number): void {
    this.kill({ kind: "limit", limit, value: Math.round(ns / NS_PER_MS) });
  }

  #look(): void {
    if (this.#isOver) return;
    const threadNs = threadCpuNs(this.#control.thread);
    const { ownCpuUs, phase } = this.#control;
    if (phase === Phase.STARTING) return;
    if (threadNs !== undefined) this.#cpuNs = Math.max(this.#cpuNs, threadNs - ownCpuUs * NS_PER_US);
    // Elsewhere than on Linux, the time in which it has not waited: at least its CPU time. Not that of a thread that has ended,
    // whose last message is yet to be taken where this thread was busy.
    else if (!isThreadCpuTold()) this.#cpuNs = Math.max(this.#cpuNs, this.#busyNs);
  }

  #command(command: number): void {
    if (this.#isOver || this.#control.command >= command) return;
    this.#control.command = command;
    // The pipe is never full: there are as many bytes as commands.
    this.#backend.write(this.#commandFds[1], BYTE);
  }

  readonly #onMessage = (message: IsolatedMessage): void => {
    switch (message.kind) {
      case "up":
        this.#mapped.settle();
        this.#up.resolve(true);
        break;
      case "drained":
        this.kill(STOPPED);
        break;
      case "exit":
        this.#cpuNs = message.cpuNs;
        this.#ending ??= { kind: "exit", code: message.code };
        break;
      case "trap":
        this.#cpuNs = message.cpuNs;
        this.#ending ??= {
          kind: "trap",
          error: this.#code.locate(new GuestTrap(message.message, message.frames, {})),
          memory: trapMemory(message.memoryBytes, this.#code.memoryLimit),
        };
        break;
      case "failed":
        this.#ending ??= { kind: "failed", error: new GuestError(message.code as GuestErrorCode, message.message) };
        break;
      case "policy":
        this.#hooks.onPolicyEvent(message.event);
        break;
      case "connect":
        this.#hooks.onConnect(message.announced);
        break;
      case "lines":
        this.#control.linesSeen(message.bytes);
        for (const { stream, lines } of message.groups) {
          for (const line of lines) this.#hooks.onLine(stream, line);
        }
        break;
    }
  };

  readonly #onError = (error: NodeJS.ErrnoException): void => {
    // V8's heap, in which there is what the host holds for the plugin.
    if (error.code === "ERR_WORKER_OUT_OF_MEMORY") {
      const { maxHostBytes } = this.#grant.policy.limits;
      this.#ending ??= { kind: "limit", limit: "maxHostBytes", value: maxHostBytes };
    } else this.#ending ??= { kind: "failed", error };
  };

  readonly #onExit = (): void => {
    this.#look();
    this.#isOver = true;
    this.#mapped.end();
    const ending = (this.#ending ??= { kind: "failed", error: new Error("its thread has ended") });
    const isGraceful = ending.kind === "exit" || (ending.kind === "stopped" && ending.isGraceful);
    if (!isGraceful) resetConnections(this.#backend, this.#control, this.#hooks.onReset);
    this.#closePipe();
    // When the other listeners of this event have released what the thread has left.
    queueMicrotask(() => {
      this.#up.resolve(ending.kind === "exit" && ending.code === 0);
      this.#ended.resolve(ending);
    });
  };

  #openPipe(): readonly [readFd: number, writeFd: number] {
    try {
      return commandPipe(this.#backend);
    } catch (error) {
      this.#mapped.end();
      throw error;
    }
  }

  #closePipe(): void {
    for (const fd of this.#commandFds) this.#backend.close(fd);
  }
}

/** @throws PluginError ERR_PLUGIN_MAPPINGS */
function mappedThread(plugin: string, more: number, mappings: ThreadMappings): MappedThread {
  const thread = mappings.reserve(more);
  if ("settle" in thread) return thread;
  const { mapped, limit } = thread;
  throw new PluginError(
    "ERR_PLUGIN_MAPPINGS",
    `no thread was started for ${plugin}: this process has ${mapped} of the ${limit} memory mappings that vm.max_map_count allows, ` +
      `and further threads could end it. Each thread that has ended leaves some: start the process again, or raise vm.max_map_count`,
  );
}

function commandPipe(backend: Backend): readonly [readFd: number, writeFd: number] {
  const ends = backend.pipe();
  if (typeof ends === "number") throw new OSError(backend.errorCode(ends), { errno: ends, syscall: "pipe" });
  for (const fd of ends) backend.setNonBlocking(fd, true);
  return ends;
}
