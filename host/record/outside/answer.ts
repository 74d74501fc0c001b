/**
 * Owns who answers the hooks, and what was there before them. Imports nothing of the package.
 */

import { AsyncLocalStorage } from "node:async_hooks";
import fs from "node:fs";
import { constants } from "node:os";

/** How an asynchronous call ended: with an error, or with what its callback is given after the error. */
export interface Outcome {
  readonly error?: unknown;
  readonly values: readonly unknown[];
}

/** Answers the hooks. */
export interface Outside {
  /** Milliseconds since 1970: `Date.now`. */
  now(): number;
  random(): number;
  /** A synchronous call. */
  call(name: string, args: readonly unknown[], perform: () => unknown): unknown;
  /** An asynchronous call. `settle` is called once, in a callback of its own. */
  begin(
    name: string,
    args: readonly unknown[],
    perform: (done: (outcome: Outcome) => void) => void,
    settle: (outcome: Outcome) => void,
  ): void;
  /**
   * A timer or an immediate.
   * @param arm starts it: with the delay that was asked for; or, with `never`, one that only keeps the process alive
   * @param repeats does it fire more than once?
   */
  timer<T extends object>(
    fire: (self: unknown) => void,
    arm: (call: (self: unknown) => void, never: boolean) => T,
    repeats?: boolean,
  ): T;
  /** A timer or an immediate was cleared. */
  cleared(handle: unknown): void;
}

export type AnyCall = (...args: unknown[]) => unknown;

/** What was there before. */
export const original = {
  statSync: fs.statSync,
  statfsSync: fs.statfsSync,
  setTimeout,
  setInterval,
  setImmediate,
  clearTimeout,
  clearInterval,
  clearImmediate,
  now: Date.now,
};

let answer: Outside | undefined;
let attach: (() => void) | undefined;
/** How many calls of {@link inside} are on the stack: what Node calls in them is not the program's. */
let depth = 0;
/** The same for what Node calls later. */
const within = new AsyncLocalStorage<boolean>();

/** Who answers from now on. */
export function answerOutside(outside: Outside): void {
  answer = outside;
}

/** The program's first call of a hook calls this, once; it may call {@link answerOutside}. */
export function attachLater(call: () => void): void {
  attach = call;
}

/** Who answers, for a call of the program. The first call of all asks for somebody. */
export function answering(): Outside | undefined {
  if (depth > 0 || within.getStore() === true) return undefined;
  if (attach !== undefined) begin(attach);
  return answer;
}

/** Who answers at all. */
export function answerer(): Outside | undefined {
  return answer;
}

function begin(call: () => void): void {
  attach = undefined;
  try {
    call();
  } catch (error) {
    // The package is being loaded itself.
    if ((error as NodeJS.ErrnoException).code !== "ERR_REQUIRE_CYCLE_MODULE") throw error;
    attach = call;
  }
}

let noteSignal: ((name: string) => void) | undefined;

/** Who is notified, from now on, of each signal of which the process is: not of those that a recording sends. */
export function noteSignals(call: (name: string) => void): void {
  noteSignal = call;
}

let isReplayed = false;

/** Notifies the process of a signal that is in a recording. */
export function emitSignal(name: NodeJS.Signals): void {
  isReplayed = true;
  try {
    Reflect.apply(process.emit, process, [name, name, constants.signals[name]]);
  } finally {
    isReplayed = false;
  }
}

/**
 * Node takes `process.emit` when the first listener for a signal is added, which may be before anything else of the program is
 * recorded. A program may emit such an event too: without the number.
 */
export function installSignals(): void {
  const { emit } = process;
  process.emit = function (this: NodeJS.Process, ...args: unknown[]): boolean {
    const [name, , number] = args;
    if (typeof name === "string" && typeof number === "number" && Object.hasOwn(constants.signals, name)) {
      answering();
      if (!isReplayed) noteSignal?.(name);
    }
    return Reflect.apply(emit, process, args) as boolean;
  } as typeof process.emit;
}

/** Performs what was asked for: what Node calls in it is not the program's. */
export function inside<T>(call: () => T): T {
  depth += 1;
  try {
    return within.run(true, call);
  } finally {
    depth -= 1;
  }
}

/** With the properties of what it replaces: `promisify` looks at some. */
export function like<F extends AnyCall>(replaced: AnyCall, call: F): F {
  return Object.defineProperties(call, Object.getOwnPropertyDescriptors(replaced)) as F;
}
