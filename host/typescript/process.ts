/**
 * Owns `process` and `console`: arguments, environment, exit status, standard output and error. Knows the event loop; knows
 * what is behind it by a seam of its own.
 */

import EventEmitter from "events";
import { format, inspect } from "./inspect.js";
import { enqueueTick } from "./microtasks.js";

/** What a program has from its host. */
export interface System {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  monotonicNs(): number;
  /** Writes to standard output (1) or error (2), and waits until it is written. */
  write(fd: 1 | 2, data: Uint8Array): void;
}

/** Thrown by process.exit: it ends the callback, and the event loop ends the program. */
export class ExitSignal extends Error {
  override name = "ExitSignal";
}

const NS_PER_S = 1e9;
const KIB = 1024;

/** What a program's end is made of. */
export interface ProgramProcess {
  readonly process: object;
  readonly console: object;
  readonly isOver: boolean;
  readonly status: number;
  /** Connects it with its host, when the program starts. */
  start(system: System, script: string): void;
  emitBeforeExit(): void;
  emitExit(): void;
  uncaught(error: unknown, origin: string, promise?: object): void;
}

class StandardStream extends EventEmitter {
  readonly isTTY = false;
  readonly writable = true;
  readonly fd: 1 | 2;
  readonly #system: () => System | undefined;

  constructor(fd: 1 | 2, system: () => System | undefined) {
    super();
    this.fd = fd;
    this.#system = system;
  }

  write(data: string | Uint8Array, encoding?: unknown, done?: (error?: null) => void): boolean {
    this.#system()?.write(this.fd, typeof data === "string" ? Buffer.from(data) : data);
    const callback = typeof encoding === "function" ? (encoding as (error?: null) => void) : done;
    if (callback !== undefined) enqueueTick(() => callback(null));
    return true;
  }

  end(data?: string | Uint8Array): this {
    if (data !== undefined) this.write(data);
    return this;
  }
}

export function makeProcess(): ProgramProcess {
  let system: System | undefined;
  let isOver = false;
  let isExiting = false;
  const emitter = new EventEmitter();
  const stdout = new StandardStream(1, () => system);
  const stderr = new StandardStream(2, () => system);
  let startedNs = 0;

  const process = Object.assign(emitter, {
    title: "wasyncore",
    argv: ["wasyncore", "/program"],
    argv0: "wasyncore",
    execArgv: [],
    execPath: "wasyncore",
    env: {} as Record<string, string | undefined>,
    exitCode: undefined as number | string | undefined,
    pid: 1,
    ppid: 0,
    platform: "wasi",
    arch: "wasm32",
    version: "v20.19.0",
    versions: { node: "20.19.0" },
    release: { name: "wasyncore" },
    config: {},
    features: {},
    stdout,
    stderr,
    cwd: () => "/",
    umask: () => 0o22,
    uptime: () => ((system?.monotonicNs() ?? 0) - startedNs) / NS_PER_S,
    hrtime: Object.assign(
      (since?: readonly [number, number]): [number, number] => {
        const ns = (system?.monotonicNs() ?? 0) - (since === undefined ? 0 : since[0] * NS_PER_S + since[1]);
        return [Math.floor(ns / NS_PER_S), ns % NS_PER_S];
      },
      { bigint: () => BigInt(system?.monotonicNs() ?? 0) },
    ),
    memoryUsage: () => {
      const { mallocSize = 0, memoryUsedSize = 0 } = engineMemory();
      return { rss: mallocSize, heapTotal: mallocSize, heapUsed: memoryUsedSize, external: 0, arrayBuffers: 0 };
    },
    resourceUsage: () => ({ maxRSS: Math.ceil((engineMemory().mallocSize ?? 0) / KIB) }),
    nextTick: (call: (...args: readonly unknown[]) => void, ...args: readonly unknown[]) =>
      enqueueTick(() => call(...args)),
    exit: (code?: number | string) => {
      if (code !== undefined) process.exitCode = code;
      isOver = true;
      throw new ExitSignal("process.exit() was called");
    },
    emitWarning: (warning: unknown, options?: string | { readonly type?: string; readonly code?: string }) => {
      const { type = "Warning", code } = typeof options === "object" ? options : { type: options };
      const text = warning instanceof Error ? `${warning.name}: ${warning.message}` : `${type}: ${String(warning)}`;
      stderr.write(`(wasyncore) ${code === undefined ? "" : `[${code}] `}${text}\n`);
    },
  });

  const log =
    (stream: StandardStream) =>
    (...args: readonly unknown[]): void => {
      stream.write(`${format(...args)}\n`);
    };
  const console = {
    log: log(stdout),
    info: log(stdout),
    debug: log(stdout),
    warn: log(stderr),
    error: log(stderr),
    trace: (...args: readonly unknown[]) => {
      const { stack = "" } = new Error("trace");
      stderr.write(`Trace: ${format(...args)}\n${stack.split("\n").slice(2).join("\n")}\n`);
    },
    dir: (value: unknown, options?: object) => void stdout.write(`${inspect(value, { ...options })}\n`),
    assert: (condition: unknown, ...args: readonly unknown[]) => {
      if (!condition) log(stderr)("Assertion failed:", ...args);
    },
    group: log(stdout),
    groupEnd: () => {},
  };

  const emitExit = (): void => {
    if (isExiting) return;
    isExiting = true;
    try {
      emitter.emit("exit", Number(process.exitCode ?? 0));
    } catch (error) {
      report(error);
    }
  };

  const report = (error: unknown): void => {
    if (error instanceof ExitSignal) return;
    const text = error instanceof Error ? inspect(error) : `Uncaught ${inspect(error)}`;
    stderr.write(`${text}\n`);
  };

  return {
    process,
    console,
    get isOver() {
      return isOver;
    },
    get status() {
      return Number(process.exitCode ?? 0);
    },
    start(given, script) {
      system = given;
      startedNs = given.monotonicNs();
      process.env = { ...given.env };
      process.argv = ["wasyncore", script, ...given.args];
    },
    emitBeforeExit: () => void emitter.emit("beforeExit", Number(process.exitCode ?? 0)),
    emitExit,
    uncaught(error, origin, promise) {
      if (error instanceof ExitSignal || isOver) return;
      try {
        if (origin === "unhandledRejection" && emitter.emit("unhandledRejection", error, promise)) return;
        if (emitter.emit("uncaughtException", error, origin)) return;
        report(error);
      } catch (thrown) {
        if (thrown instanceof ExitSignal) return;
        report(thrown);
      }
      process.exitCode = 1;
      isOver = true;
    },
  };
}

/** Of QuickJS, in bytes. */
function engineMemory(): { readonly mallocSize?: number; readonly memoryUsedSize?: number } {
  const { __cqjs: engine } = globalThis as { readonly __cqjs?: { getMemoryUsage(): object } };
  return engine?.getMemoryUsage() ?? {};
}
