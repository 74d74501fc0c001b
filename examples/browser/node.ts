/**
 * Owns what the library finds in a browser in place of Node's modules: as much as programs on a simulated network use. Of
 * the rest a name is there, and no more: the operating system is out of reach.
 */

import { Buffer } from "buffer";

/** Linux's, as everything in a simulated world. Filled in by the build. */
declare const ERRNO: Readonly<Record<string, number>>;

function noop(): void {}

export const constants = { errno: ERRNO, signals: {}, O_RDONLY: 0 };

const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/;

export const isIPv4 = (text: string): boolean => IPV4.test(text);
/** A browser's URLs take no wrong one. */
export const isIPv6 = (text: string): boolean => text.includes(":") && URL.canParse(`http://[${text}]`);
export const isIP = (text: string): number => (isIPv4(text) ? 4 : isIPv6(text) ? 6 : 0);

export const performance = globalThis.performance;
export const isMainThread = true;
export const threadId = 0;
export const getEnvironmentData = (): undefined => undefined;
export const setEnvironmentData = noop;
export const markAsUntransferable = noop;
export const subscribe = noop;
export const channel = (): { hasSubscribers: boolean; publish(): void } => ({ hasSubscribers: false, publish: noop });
export const debuglog = (): { (): void; enabled: boolean } => Object.assign(noop, { enabled: false });
export const inspect = Object.assign(String, { custom: Symbol.for("nodejs.util.inspect.custom") });
export const createHook = (): { enable(): void; disable(): void } => ({ enable: noop, disable: noop });
export const executionAsyncResource = (): object => ({});
export const getSystemErrorMap = (): ReadonlyMap<number, readonly [string, string]> =>
  new Map(Object.entries(ERRNO).map(([name, number]) => [-number, [name, name]]));

export class AsyncResource {
  runInAsyncScope<T>(call: (...args: readonly unknown[]) => T, self?: unknown, ...args: readonly unknown[]): T {
    return call.apply(self, [...args]);
  }
}
/** Without what follows a promise: what runs there names its host itself. */
export class AsyncLocalStorage<T> {
  #store: T | undefined;

  run<R>(store: T, call: () => R): R {
    const before = this.#store;
    this.#store = store;
    try {
      return call();
    } finally {
      this.#store = before;
    }
  }

  getStore(): T | undefined {
    return this.#store;
  }
}

export function Duplex(): void {}
export function EventEmitter(): void {}
export function Socket(): void {}
export const getSystemErrorName = (errno: number): string =>
  Object.entries(ERRNO).find(([, number]) => number === -errno)?.[0] ?? String(errno);
export function Worker(): void {}

const process = {
  platform: "linux",
  argv: [],
  env: {},
  execArgv: [],
  pid: 1,
  versions: { node: "0.0.0" },
  on: noop,
  prependListener: noop,
  once: noop,
  removeListener: noop,
  emitWarning: (message: unknown) => console.warn(message),
};

const global = globalThis as unknown as Record<string, unknown>;
global["Buffer"] ??= Buffer;
global["process"] ??= process;
// Pages have it only where their server isolates them; there is one thread here.
global["SharedArrayBuffer"] ??= ArrayBuffer;
// Node's timers are objects; those of a browser are numbers, and what ends one takes what can be converted to its number.
const setTimer = globalThis.setTimeout.bind(globalThis);
const timer = (call: () => void, delayMs = 0): object => {
  const id = Number(setTimer(call, delayMs));
  return { ref: noop, unref: noop, valueOf: () => id };
};
global["setTimeout"] = timer;

// A timer takes 4 ms where timers follow each other; a message takes none.
const immediates = new Map<number, () => void>();
const { port1, port2 } = new MessageChannel();
let lastImmediate = 0;
port2.addEventListener("message", ({ data }: MessageEvent<number>) => {
  const call = immediates.get(data);
  immediates.delete(data);
  call?.();
});
port2.start();
global["setImmediate"] ??= (call: () => void): object => {
  const id = ++lastImmediate;
  immediates.set(id, call);
  port1.postMessage(id);
  return { ref: noop, unref: noop, valueOf: () => id };
};
global["clearImmediate"] ??= (immediate: unknown) => immediates.delete(Number(immediate));
