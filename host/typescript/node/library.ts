/**
 * Owns what the library itself finds in place of Node's modules: as much as it uses in a component. Of the rest a name is
 * there and no more, for parts of the library that belong to Node. A program gets the other files here.
 */

import EventEmitter from "events";
import { inspect } from "../inspect.js";
import { constants as fsConstants } from "./fs.js";
import { isIP, isIPv4, isIPv6 } from "./net.js";
import * as os from "./os.js";
import { getSystemErrorName, debuglog } from "./util.js";
import { domainToASCII } from "./url.js";

const noop = (): void => {};

export { debuglog, domainToASCII, EventEmitter, getSystemErrorName, inspect, isIP, isIPv4, isIPv6 };
export const constants = { ...os.constants, ...fsConstants };
export const { devNull, tmpdir } = os;
export const { performance } = globalThis;
export const { process } = globalThis;
export const isMainThread = true;
export const threadId = 0;
export const getEnvironmentData = noop;
export const setEnvironmentData = noop;
export const markAsUntransferable = noop;
export const createHook = (): object => ({ enable: noop, disable: noop });
export const executionAsyncResource = (): object => ({});

/** diagnostics_channel, by name. */
const channels = new Map<string, Channel>();

class Channel {
  readonly #subscribers = new Set<(message: unknown, name: string) => void>();
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  get hasSubscribers(): boolean {
    return this.#subscribers.size > 0;
  }

  publish(message: unknown): void {
    for (const subscriber of this.#subscribers) subscriber(message, this.#name);
  }

  subscribe(subscriber: (message: unknown, name: string) => void): void {
    this.#subscribers.add(subscriber);
  }
}

export function channel(name: string): Channel {
  const known = channels.get(name) ?? new Channel(name);
  channels.set(name, known);
  return known;
}

export function subscribe(name: string, subscriber: (message: unknown, name: string) => void): void {
  channel(name).subscribe(subscriber);
}

/** There are no contexts to keep. */
export class AsyncResource {
  runInAsyncScope<T>(call: (...args: readonly unknown[]) => T, self?: unknown, ...args: readonly unknown[]): T {
    return call.apply(self, [...args]);
  }
}

/** What belongs to Node: it says so where it is called. */
function absent(what: string): (...args: readonly unknown[]) => never {
  return () => {
    const error = new Error(`${what} is not there in a component made of TypeScript`);
    throw Object.assign(error, { code: "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM" });
  };
}

export const spawn = absent("node:child_process");
export const lookup = absent("node:dns");
export const createSocket = absent("node:dgram");
export const pipeline = absent("node:stream");
export const addAbortSignal = absent("node:stream");
export const createHash = absent("node:crypto");
export const createRequire = (): object => absent("require");

/** Bases of classes of the library that are not used here. */
export class Duplex extends EventEmitter {
  constructor() {
    super();
    absent("node:stream")();
  }
}
export class Socket extends Duplex {}
export class Worker extends EventEmitter {
  constructor() {
    super();
    absent("node:worker_threads")();
  }
}
