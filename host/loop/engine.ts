/**
 * Owns engine.wasm: loads it, instantiates it, and gives its exports their types. The only place that uses the
 * loader. Knows the engine's ABI (docs/abi.md); knows no backend and no handlers.
 */

import { readFileSync } from "node:fs";
import { instantiateSync } from "@assemblyscript/loader";
import { checkAnyOf, rangeError } from "../backend/check.js";
import { LoopError } from "../backend/errors.js";
import { Statistics } from "../wasi/abi.js";
import { engineBytes } from "./engine-bytes.js";

export { Interest, Kind, Pause, State, Verdict } from "../wasi/abi.js";

/** The part of the global that is used here: TypeScript declares it only together with the DOM. */
declare const WebAssembly: {
  Module: {
    new (bytes: Uint8Array): object;
    exports(module: object): { readonly name: string }[];
  };
};

/**
 * What engine.wasm exports. Booleans are 0 and 1; a channel or timer is named by slot and generation; a negative result is
 * an error, a WASI errno.
 */
export interface EngineExports {
  readonly memory: { readonly buffer: ArrayBuffer };
  channelAdd(fd: number, state: number, interest: number, sampled: number, stream: number): number;
  channelGeneration(slot: number): number;
  channelRemove(slot: number, generation: number): number;
  channelSetInterest(slot: number, generation: number, interest: number): number;
  channelEndInput(slot: number, generation: number): number;
  channelSetState(slot: number, generation: number, state: number): number;
  channelPause(slot: number, generation: number): number;
  channelTakeError(slot: number, generation: number): number;
  channelRegistered(slot: number): number;
  channelCount(): number;
  timerAdd(deadlineMs: number, periodMs: number): number;
  timerGeneration(slot: number): number;
  timerCancel(slot: number, generation: number): number;
  timerCount(): number;
  turnPrepare(timeoutMs: number): number;
  turnRun(waitMs: number, byChannel: number): number;
  isTurning(): number;
  changeCount(): number;
  changesAt(): number;
  changesTaken(): void;
  statisticsAt(): number;
}

/** What engine.wasm imports. */
export interface EngineImports {
  /** WASI preview 1, poll_oneoff. */
  pollOneoff(subscriptionsAt: number, eventsAt: number, subscriptionCount: number, countAt: number): number;
  /** WASI preview 1, clock_time_get. */
  clockTimeGet(clock: number, precision: bigint, timeAt: number): number;
  /** Samples a channel's interest. @returns bits of {@link Interest}. */
  ask(slot: number): number;
  /** Delivers an event. @returns bits of {@link Verdict}. */
  deliver(slot: number, kind: number, detail: number): number;
}

type Counter = Lowercase<Exclude<keyof typeof Statistics, "SIZE">>;

/** The names of the engine's counters. */
export const COUNTERS = Object.keys(Statistics)
  .filter((name) => name !== "SIZE")
  .map((name) => name.toLowerCase()) as Counter[];

/** Counters since the map was made, described in docs/abi.md. */
export type EngineStatistics = { [name in Counter]: number };

/** The exports of engine.wasm, by which it is recognized. */
const EXPORTS: Readonly<Record<keyof EngineExports, true>> = {
  memory: true,
  channelAdd: true,
  channelGeneration: true,
  channelRemove: true,
  channelSetInterest: true,
  channelEndInput: true,
  channelSetState: true,
  channelPause: true,
  channelTakeError: true,
  channelRegistered: true,
  channelCount: true,
  timerAdd: true,
  timerGeneration: true,
  timerCancel: true,
  timerCount: true,
  turnPrepare: true,
  turnRun: true,
  isTurning: true,
  changeCount: true,
  changesAt: true,
  changesTaken: true,
  statisticsAt: true,
};

let compiled: object | undefined;

/** engine.wasm, compiled once. */
function compiledEngine(): object {
  compiled ??= new WebAssembly.Module(engineBytes());
  return compiled;
}

/**
 * Sets the engine of every map that is first used from now on. The package has the engine in its JavaScript and needs no
 * such call: it is for programs that keep `wasyncore/engine.wasm` in a place of their own.
 *
 * ```ts
 * import engine from "wasyncore/engine.wasm"; // as a bundler gives it: bytes, a module, or a URL
 * setEngine(engine);
 * ```
 *
 * @param source a `Uint8Array` or `ArrayBuffer` with the bytes of engine.wasm; or a `WebAssembly.Module` made of them; or a
 * `URL`: of a file, or a `data:` URL in base64
 * @throws LoopError with ERR_ENGINE if it is not the engine of this version
 */
export function setEngine(source: object): void {
  const expected = "a Uint8Array, an ArrayBuffer, a WebAssembly.Module or a URL (of a path: pathToFileURL(path))";
  checkAnyOf("source", source, expected, [Uint8Array, ArrayBuffer, URL, WebAssembly.Module]);
  const module = source instanceof WebAssembly.Module ? source : compile(bytesOf(source));
  const names = new Set(WebAssembly.Module.exports(module).map(({ name }) => name));
  const missing = Object.keys(EXPORTS).filter((name) => !names.has(name));
  if (missing.length > 0) {
    throw new LoopError(
      "ERR_ENGINE",
      `this is not the engine.wasm of this version of wasyncore: it does not export ${missing.join(", ")}`,
    );
  }
  compiled = module;
}

function compile(bytes: Uint8Array): object {
  try {
    return new WebAssembly.Module(bytes);
  } catch (cause) {
    throw new LoopError("ERR_ENGINE", `this is not engine.wasm: ${(cause as Error).message}`, { cause });
  }
}

function bytesOf(source: object): Uint8Array {
  if (source instanceof URL) {
    if (source.protocol === "file:") return readFileSync(source);
    const { base64 } = /^data:[^,]*;base64,(?<base64>.*)$/s.exec(source.href)?.groups ?? {};
    if (base64 !== undefined) return Buffer.from(decodeURIComponent(base64), "base64");
    throw rangeError("source", "a file: URL or a data: URL in base64 (fetch others, and pass the bytes)", source.href);
  }
  return source instanceof ArrayBuffer ? new Uint8Array(source) : (source as Uint8Array);
}

/** Makes an engine of its own, with a memory of its own: one for each channel map. */
export function instantiateEngine(imports: EngineImports, module = compiledEngine()): EngineExports {
  const { instance } = instantiateSync(module, {
    env: {
      abort(_message: number, _file: number, line: number, column: number): never {
        throw new LoopError("ERR_ENGINE", `the engine stopped at an assertion (${line}:${column})`);
      },
    },
    wasi_snapshot_preview1: { poll_oneoff: imports.pollOneoff, clock_time_get: imports.clockTimeGet },
    wasyncore: { ask: imports.ask, deliver: imports.deliver },
  });
  // Not the loader's exports, which wrap each call.
  return instance.exports as unknown as EngineExports;
}

/** Reads the engine's counters. */
export function readStatistics(engine: EngineExports): EngineStatistics {
  const view = new DataView(engine.memory.buffer, engine.statisticsAt(), Statistics.SIZE);
  const read = (name: Counter): number =>
    Number(view.getBigUint64(Statistics[name.toUpperCase() as Uppercase<Counter>], true));
  return Object.fromEntries(COUNTERS.map((name) => [name, read(name)])) as EngineStatistics;
}
