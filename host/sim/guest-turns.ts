/**
 * Owns the turns of a guest that blocks: it runs in a thread of its own, while the world stands still; where it waits, the
 * world goes on. Knows the backend of its host and the seam of turns; knows no network.
 */

import { type MessagePort, MessageChannel, receiveMessageOnPort, Worker } from "node:worker_threads";
import type { Backend, PollSet, Turns, Watch } from "../backend/backend.js";
import { ReadyRow } from "../backend/polling.js";
import { Baton, failureOf, type Reply, type Request, TARGETS } from "./guest-rpc.js";
import type { GuestWork } from "./guest-thread.js";

const WORLD = 0;
const THREAD = 1;
/** A guest that reads the clock in a loop waits for it to change: after this many readings it waits {@link READING_MS}. */
const READINGS_MAX = 1000;
/** A thread that does not come up would stop the world for ever. */
const BEGIN_MS = 60_000;
/** For how long the host has been up at the beginning: Go takes a clock of 0 for one that is broken. */
const UP_NS = 1e9;
const READING_MS = 0.001;
const MEMBERS = new Set(["name", "clock", "createPollSet", "lookup"]);

type AnyCall = (...args: readonly unknown[]) => unknown;

/** Where the guest waits. */
interface Wait {
  readonly set: PollSet | undefined;
  readonly timeoutMs: number;
  /** For a clock that is read: what is then answered. */
  readonly answer: (() => Reply) | undefined;
}

export class GuestTurns implements Turns {
  readonly busyFrom = 1;
  readonly keepsAlive = true;
  readonly areSampled = false;
  onChange: (() => void) | undefined;
  exitCode: number | undefined;
  readonly pollSet: PollSet;
  readonly #backend: Backend;
  readonly #work: Omit<GuestWork, "words" | "port" | "backend" | "calls">;
  readonly #patienceMs: number;
  readonly #baton = new Baton();
  readonly #sets: PollSet[] = [];
  #port: MessagePort | undefined;
  #worker: Worker | undefined;
  #wait: Wait | undefined;
  #watch: Watch | undefined;
  #onReady: (() => void) | undefined;
  #readings = 0;
  #hasBegun = false;

  constructor(backend: Backend, work: Omit<GuestWork, "words" | "port" | "backend" | "calls">, patienceMs: number) {
    this.#patienceMs = patienceMs;
    this.#backend = backend;
    this.#work = work;
    const nothing = (): number => 0;
    // The loop asks it for a watch alone: the guest has poll sets of its own.
    this.pollSet = {
      ready: new Int32Array(0),
      alwaysReady: false,
      update: nothing,
      wait: nothing,
      watch: (onReady) => {
        this.#onReady = onReady;
        this.#watchWait();
        return { setReferenced: () => undefined, stop: () => this.end() };
      },
      beginTurn: () => undefined,
      endTurn: () => undefined,
      close: () => undefined,
    };
  }

  prepare(elapsedMs: number): number | undefined {
    if (this.exitCode !== undefined) return undefined;
    return this.#wait === undefined ? 0 : Math.max(0, this.#wait.timeoutMs - elapsedMs);
  }

  beforeWait(): boolean {
    return true;
  }

  /** Lets the guest go on until it waits. @returns how many descriptors it finds ready. @throws what it ended with */
  run(): number {
    const wait = this.#wait;
    this.#wait = undefined;
    this.#readings = 0;
    let ready = 0;
    if (this.#worker === undefined) {
      this.#begin();
    } else if (wait?.set !== undefined) {
      const count = wait.set.wait(0);
      ready = count;
      const rows = wait.set.ready.slice(0, Math.max(0, count) * ReadyRow.STRIDE);
      this.#reply({ result: [count, rows] });
    } else {
      this.#reply(wait?.answer?.() ?? {});
    }
    while (this.exitCode === undefined && this.#wait === undefined) this.#answer();
    this.#watchWait();
    return ready;
  }

  /** The guest is ended wherever it is: its host has crashed, or the world is closed. */
  end(): void {
    this.#watch?.stop();
    this.#watch = undefined;
    const worker = this.#worker;
    this.#worker = undefined;
    this.#port?.close();
    // It waits for its turn, which never comes.
    if (worker !== undefined && this.exitCode === undefined) void worker.terminate();
  }

  #begin(): void {
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    const calls = Object.entries(this.#backend).filter(([, each]) => typeof each === "function");
    const workerData: GuestWork = {
      ...this.#work,
      words: this.#baton.words,
      port: port2,
      backend: this.#backend.name,
      calls: calls.map(([name]) => name).filter((name) => !MEMBERS.has(name)),
    };
    const worker = new Worker(new URL("./guest-thread.js", import.meta.url), { workerData, transferList: [port2] });
    worker.unref();
    // One that does not come up has thrown when the wait for it is over: that is the error of the run.
    worker.on("error", () => undefined);
    this.#worker = worker;
    this.#baton.pass(THREAD);
  }

  #reply(reply: Reply): void {
    this.#port?.postMessage(reply);
    this.#baton.pass(THREAD);
  }

  /** One request of the thread. */
  #answer(): void {
    if (!this.#baton.await(WORLD, this.#hasBegun ? this.#patienceMs : BEGIN_MS)) throw this.#stalled();
    this.#hasBegun = true;
    const request = receiveMessageOnPort(this.#port as MessagePort)?.message as Request;
    switch (request.kind) {
      case "wait":
        this.#wait = { set: this.#sets[request.set], timeoutMs: request.timeoutMs, answer: undefined };
        return;
      case "clock":
        this.#readings += 1;
        if (this.#readings < READINGS_MAX) return this.#reply(this.#clock(request.name));
        this.#wait = { set: undefined, timeoutMs: READING_MS, answer: () => this.#clock(request.name) };
        return;
      case "exit":
        this.exitCode = request.code;
        return;
      case "failure": {
        this.exitCode = -1;
        throw Object.assign(new Error(request.failure.message), { code: request.failure.code });
      }
      default:
        this.#reply(this.#try(() => this.#do(request)));
    }
  }

  #stalled(): Error {
    this.end();
    if (!this.#hasBegun) return new Error("a guest's thread does not begin");
    const message = `a guest has computed for ${this.#patienceMs} ms without a call: the world cannot go on`;
    return Object.assign(new Error(message), { code: "ERR_GUEST_STALLED" });
  }

  #clock(name: "monotonicNs" | "realtimeNs" | "threadCpuNs"): Reply {
    const { clock } = this.#backend;
    return { result: name === "monotonicNs" ? clock.monotonicNs() + UP_NS : clock[name]() };
  }

  #try(call: () => Reply): Reply {
    try {
      return call();
    } catch (error) {
      return { failure: failureOf(error) };
    }
  }

  #do(request: Exclude<Request, { readonly kind: "wait" | "clock" | "exit" | "failure" }>): Reply {
    switch (request.kind) {
      case "set":
        return { result: this.#sets.push(this.#backend.createPollSet()) - 1 };
      case "update": {
        const set = this.#sets[request.set];
        const result = set?.update(request.fd, request.interest);
        return { result: [result, set?.alwaysReady] };
      }
      case "close":
        this.#sets[request.set]?.close();
        return {};
      default:
        return this.#call(request.name, request.args);
    }
  }

  #call(name: string, args: readonly unknown[]): Reply {
    const call = (this.#backend as unknown as Record<string, AnyCall>)[name] as AnyCall;
    const at = TARGETS[name];
    const length = at === undefined ? undefined : args[at];
    if (typeof length !== "number") return { result: call(...args) };
    const target = new Uint8Array(length);
    const result = call(...args.map((each, index) => (index === at ? target : each)));
    const count = typeof result === "number" ? result : Number((result as { length?: unknown } | null)?.length ?? 0);
    return { result, filled: target.subarray(0, Math.max(0, count)) };
  }

  #watchWait(): void {
    this.#watch?.stop();
    this.#watch = this.#onReady === undefined ? undefined : this.#wait?.set?.watch(this.#onReady);
  }
}
