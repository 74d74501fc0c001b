/**
 * Owns the thread of one guest of a simulated host: the guest runs to its end, and each call of its backend is made by the
 * world. Started by guest-turns.
 */

import { type MessagePort, receiveMessageOnPort, workerData } from "node:worker_threads";
import type { Backend, Clock, PollSet } from "../backend/backend.js";
import { OSError } from "../backend/errors.js";
import { findPlacesBy } from "../backend/place.js";
import { type GuestOptions, runGuest } from "../guest/run.js";
import { openListener } from "../net/listen.js";
import { Baton, failureOf, type Reply, type Request, TARGETS } from "./guest-rpc.js";
import { Random } from "./random.js";

const WORLD = 0;
const OWN = 1;

/** What a guest's thread is given. */
export interface GuestWork {
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly port: MessagePort;
  readonly module: Uint8Array;
  readonly options: Omit<GuestOptions, "listeners" | "stdio" | "random">;
  readonly listen: readonly { readonly host: string; readonly port: number; readonly name?: string }[];
  readonly stdio: readonly number[];
  readonly seed: number;
  readonly stream: number;
  /** Of the host's backend: its name, and its calls. */
  readonly backend: string;
  readonly calls: readonly string[];
}

const { words, port, module, options, listen, stdio, seed, stream, backend: name, calls } = workerData as GuestWork;
const baton = new Baton(words);

function ask(request: Request): Reply {
  port.postMessage(request);
  baton.pass(WORLD);
  baton.await(OWN);
  const { message: answer } = receiveMessageOnPort(port) as { readonly message: Reply };
  const { failure, ...reply } = answer;
  if (failure === undefined) return reply;
  const { code, errno, syscall = "", address, message } = failure;
  if (code === undefined) throw new Error(message);
  throw new OSError(code, {
    syscall,
    ...(errno !== undefined && { errno }),
    ...(address !== undefined && { address }),
  });
}

function call(name: string): (...args: unknown[]) => unknown {
  const target = TARGETS[name];
  if (target === undefined) return (...args) => ask({ kind: "call", name, args }).result;
  return (...args) => {
    const given = args[target];
    const sent = args.map((each, index) => (index === target && each instanceof Uint8Array ? each.length : each));
    const { result, filled } = ask({ kind: "call", name, args: sent });
    if (filled !== undefined && given instanceof Uint8Array) given.set(filled);
    return result;
  };
}

/** A poll set of the host. Only the guest waits on it. */
class RemoteSet implements PollSet {
  ready = new Int32Array(0);
  alwaysReady = false;
  readonly #set = Number(ask({ kind: "set" }).result);

  update(fd: number, interest: number): number {
    const [result, alwaysReady] = ask({ kind: "update", set: this.#set, fd, interest }).result as [number, boolean];
    this.alwaysReady = alwaysReady;
    return result;
  }

  wait(timeoutMs: number): number {
    const [count, ready] = ask({ kind: "wait", set: this.#set, timeoutMs }).result as [number, Int32Array<ArrayBuffer>];
    this.ready = ready;
    return count;
  }

  watch(): never {
    throw new Error("a guest's thread waits for its guest alone");
  }

  beginTurn(): void {}

  endTurn(): void {}

  close(): void {
    ask({ kind: "close", set: this.#set });
  }
}

const clock: Clock = {
  turnTaker: undefined,
  monotonicNs: () => Number(ask({ kind: "clock", name: "monotonicNs" }).result),
  realtimeNs: () => ask({ kind: "clock", name: "realtimeNs" }).result as bigint,
  threadCpuNs: () => ask({ kind: "clock", name: "threadCpuNs" }).result as bigint,
};

const backend = {
  ...Object.fromEntries(calls.map((each) => [each, call(each)])),
  name,
  clock,
  createPollSet: () => new RemoteSet(),
} as unknown as Backend;

function run(): number {
  findPlacesBy(() => backend);
  const random = new Random(seed, stream);
  const [stdin = 0, stdout = 0, stderr = 0] = stdio;
  return runGuest(module, {
    ...options,
    listeners: listen.map(({ name: label = "", ...address }) => {
      const socket = openListener(address, backend);
      return label === "" ? socket : { socket, name: label };
    }),
    stdio: [{ fd: stdin }, { fd: stdout }, { fd: stderr }],
    random: (target) => {
      for (let at = 0; at < target.length; at++) target[at] = random.next() & 255;
    },
  });
}

baton.await(OWN);
let last: Request;
try {
  last = { kind: "exit", code: run() };
} catch (error) {
  last = { kind: "failure", failure: failureOf(error) };
}
port.postMessage(last);
baton.pass(WORLD);
port.close();
