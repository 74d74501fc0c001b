/**
 * Owns engine.wasm: loads it, instantiates it, and gives its exports their types. The only place that uses the
 * loader. Knows the engine's ABI (docs/abi.md); knows no backend and no handlers.
 */

import { readFileSync } from "node:fs";
import { instantiateSync } from "@assemblyscript/loader";
import { LoopError } from "../backend/errors.js";
import { Statistics } from "../wasi/abi.js";

export { Interest, Kind, State, Verdict } from "../wasi/abi.js";

/** The part of the global that is used here: TypeScript declares it only together with the DOM. */
declare const WebAssembly: { Module: new (bytes: Uint8Array) => object };

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

let compiled: object | undefined;

/** engine.wasm, compiled once. */
function compiledEngine(): object {
  compiled ??= new WebAssembly.Module(readFileSync(new URL("../../build/engine.wasm", import.meta.url)));
  return compiled;
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
