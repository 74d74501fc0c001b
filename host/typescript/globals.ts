/**
 * Owns the global scope of a program in a component: puts there what Node has and the JavaScript runtime of components does
 * not. Evaluated before anything else of the program. Knows the stand-ins beside it.
 */

import { Buffer } from "./buffer.js";
import { AbortController, AbortSignal, Event, EventTarget, withTimeouts } from "./abort.js";
import { EventLoop } from "./event-loop.js";
import { enqueueJob } from "./microtasks.js";
import { makeProcess } from "./process.js";
import { JobPromise } from "./promise.js";
import { TextDecoder, TextEncoder } from "./text.js";
import { callbackError } from "./timers.js";

export { traceErrors } from "./stack.js";
export const eventLoop = new EventLoop();
const { timers } = eventLoop;
export const program = makeProcess();
eventLoop.onUncaught = program.uncaught;
withTimeouts(timers);

type Call = (...args: readonly unknown[]) => unknown;

/** Engines are not WebAssembly here; what the library asks of it, it gets from engine-loader.ts. */
const Module = Object.assign(function Module(): void {}, { exports: (): readonly object[] => [] });

const values: Record<string, unknown> = {
  Promise: JobPromise,
  Buffer,
  process: program.process,
  console: program.console,
  TextDecoder,
  TextEncoder,
  AbortController,
  AbortSignal,
  Event,
  EventTarget,
  WebAssembly: { Module },
  global: globalThis,
  queueMicrotask: (call: () => void) => {
    if (typeof call !== "function") throw callbackError(call);
    enqueueJob(call);
  },
  setTimeout: (call: Call, delay?: number, ...args: readonly unknown[]) => timers.add(call, delay, args, false),
  setInterval: (call: Call, delay?: number, ...args: readonly unknown[]) => timers.add(call, delay, args, true),
  setImmediate: (call: Call, ...args: readonly unknown[]) => timers.addImmediate(call, args),
  clearTimeout: (timer: unknown) => timers.stop(timer),
  clearInterval: (timer: unknown) => timers.stop(timer),
  clearImmediate: (immediate: unknown) => timers.stopImmediate(immediate),
};
for (const [name, value] of Object.entries(values)) {
  Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
}
