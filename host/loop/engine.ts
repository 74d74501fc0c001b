/**
 * Owns engine.wasm: loads it, instantiates it, and gives its exports their types. The only place that uses the
 * loader. Knows the engine's ABI (docs/abi.md); knows no backend and no handlers.
 */

import { readFileSync } from "node:fs";
import { instantiateSync } from "@assemblyscript/loader";
import { LoopError } from "../backend/errors.js";

/** The part of the global that is used here: TypeScript declares it only together with the DOM. */
declare const WebAssembly: { Module: new (bytes: Uint8Array) => object };

/** What engine.wasm exports. Booleans are 0 and 1; a channel or timer is named by slot and generation. */
export interface EngineExports {
  readonly memory: { readonly buffer: ArrayBuffer };
  channelAdd(fd: number, state: number, interest: number, asked: number, stream: number): number;
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
  /** Asks a channel's interest. @returns bits of {@link Interest}. */
  ask(slot: number): number;
  /** Delivers an event. @returns bits of {@link Verdict}. */
  deliver(slot: number, kind: number, detail: number): number;
}

/** What a channel wants to hear of; bits. */
export const Interest = { NONE: 0, READ: 1, WRITE: 2 } as const;

/** What a channel is at the moment. */
export const State = { IDLE: 0, CONNECTING: 1, OPEN: 2, ACCEPTING: 3 } as const;

/** Kinds of event. */
export const Kind = { ACCEPT: 0, CONNECT: 1, READ: 2, WRITE: 3, EXCEPTIONAL: 4, CLOSE: 5, ERROR: 6, TIMER: 7 } as const;

/** What a handler answers to an event; bits. */
export const Verdict = { GO_ON: 0, STOP: 1, AGAIN: 2, FAILED: 4 } as const;

/** The engine's counters, in the order of their places in memory, 8 bytes each. */
export const COUNTERS = [
  "turns",
  "events",
  "dropped",
  "asked",
  "accepts",
  "connects",
  "reads",
  "writes",
  "exceptionals",
  "closes",
  "errors",
  "timers",
  "channels",
  "changes",
  "pauses",
] as const;

/** Counts since the map was made; docs/abi.md says what each counts. */
export type EngineStatistics = { [name in (typeof COUNTERS)[number]]: number };

let compiled: object | undefined;

/** Makes an engine of its own, with a memory of its own: one a channel map. */
export function instantiateEngine(imports: EngineImports): EngineExports {
  compiled ??= new WebAssembly.Module(readFileSync(new URL("../../build/engine.wasm", import.meta.url)));
  const { instance } = instantiateSync(compiled, {
    env: {
      abort(_message: number, _file: number, line: number, column: number): never {
        throw new LoopError("ERR_ENGINE", `the engine stopped at an assertion (${line}:${column})`);
      },
    },
    wasi_snapshot_preview1: { poll_oneoff: imports.pollOneoff, clock_time_get: imports.clockTimeGet },
    wasyncore: { ask: imports.ask, deliver: imports.deliver },
  });
  // The loader's own view of the exports wraps each call; the instance's does not.
  return instance.exports as unknown as EngineExports;
}

/** Reads the engine's counters. */
export function readStatistics(engine: EngineExports): EngineStatistics {
  const counters = new BigUint64Array(engine.memory.buffer, engine.statisticsAt(), COUNTERS.length);
  return Object.fromEntries(COUNTERS.map((name, index) => [name, Number(counters[index])])) as EngineStatistics;
}
