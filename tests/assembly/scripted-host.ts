/**
 * Owns a host of WASI preview 1 that does what a test says: virtual sockets, a virtual clock, and a poll that behaves as
 * one runtime or another does. Knows WASI's bytes; knows nothing of guests.
 */

import { Connection } from "./scripted-connection.js";
import {
  CLOCK,
  FD_READ,
  FD_WRITE,
  readSubscriptions,
  writeEvent,
  EVENT_SIZE,
  type WasiSubscription,
} from "../engine/wasi-bytes.js";

export { Connection };

/** The part of the global that is used here: TypeScript declares it only together with the DOM. */
declare const WebAssembly: {
  Module: { new (bytes: Uint8Array): object; imports(module: object): { module: string; name: string }[] };
  Instance: new (module: object, imports: object) => { readonly exports: Record<string, unknown> };
};

const SUCCESS = 0;
const AGAIN = 6;
const BADF = 8;
const NOTSOCK = 57;
const NOTSUP = 58;
const PERM = 63;
const NOTCAPABLE = 76;
const FILETYPE_STREAM = 6;

/**
 * How a runtime polls: by looking at each descriptor; completing all once one is ready (wasmtime 36); sleeping the whole
 * timeout and completing all (wazero), writes with ENOTSUP; refusing descriptors; waking and telling of nothing, not even
 * of the clock (WasmEdge, of a half-closed connection that waits to write).
 */
export type Polling = "honest" | "all at once" | "blind" | "refusing" | "silent";

/** The guest has called proc_exit. */
export class Exit extends Error {
  constructor(readonly status: number) {
    super(`exit ${status}`);
  }
}

/** What one poll was asked. */
export interface Asked {
  readonly timeoutNs: bigint;
  readonly descriptors: readonly string[];
}

export class ScriptedHost {
  polling: Polling = "honest";
  stdout = "";
  stderr = "";
  nowNs = 1_000_000_000n;
  readonly polls: Asked[] = [];
  /** Those of a clock alone. */
  readonly sleepsMs: number[] = [];
  /** Connections that wait to be accepted, by listener. */
  readonly waiting = new Map<number, Connection[]>();
  readonly connections = new Map<number, Connection>();
  readonly calls: string[] = [];
  environment: readonly string[] = [];
  /** Called before each poll; a test changes the world here, or throws to end the guest. */
  onPoll: (count: number) => void = () => undefined;
  /** Descriptors that fail a poll with EBADF. */
  readonly unpollable = new Set<number>();
  /** Files, which WasmEdge cannot wait for: it tells EPERM when the wait is over. */
  readonly files = new Set<number>();
  /** What sock_connect returns, and what SO_ERROR is after it. */
  connectErrno = SUCCESS;
  socketErrno = SUCCESS;
  /** What the last poll had asked for when standard input was closed. */
  lastAskedAtClose: readonly string[] | undefined;
  #lastAsked: readonly string[] = [];
  /** The numbers of the next descriptors. Without any, as an operating system does, the lowest free one from 10. */
  readonly numbers: number[] = [];
  readonly #exports: Record<string, unknown>;

  /** @param onInstance is given the exports, before any of them is called */
  constructor(
    module: Uint8Array,
    listeners: readonly number[] = [3],
    onInstance: (exports: Record<string, unknown>) => void = () => undefined,
  ) {
    for (const fd of listeners) this.waiting.set(fd, []);
    const wasi = new Proxy(
      {},
      {
        get:
          (_target, name) =>
          (...parameters: number[]) =>
            this.#call(String(name), parameters),
      },
    );
    this.#exports = new WebAssembly.Instance(new WebAssembly.Module(module), { wasi_snapshot_preview1: wasi }).exports;
    onInstance(this.#exports);
  }

  get #memory(): ArrayBuffer {
    return (this.#exports["memory"] as { readonly buffer: ArrayBuffer }).buffer;
  }

  get memoryBytes(): number {
    return this.#memory.byteLength;
  }

  /** Runs a command. @returns its exit status */
  run(): number {
    try {
      this.call("_start");
      return 0;
    } catch (error) {
      if (error instanceof Exit) return error.status;
      throw error;
    }
  }

  /** Calls an export. */
  call(name: string, ...parameters: (number | bigint)[]): number {
    return (this.#exports[name] as (...parameters: (number | bigint)[]) => number)(...parameters);
  }

  /** One turn that does not wait. @returns what was printed in it */
  turn(): string[] {
    this.stdout = "";
    this.call("turn", 0n);
    return this.lines();
  }

  lines(): string[] {
    return this.stdout.split("\n").slice(0, -1);
  }

  /** Somebody connects to a listener. */
  connect(connection: Connection, listener = 3): Connection {
    this.waiting.get(listener)?.push(connection);
    return connection;
  }

  #call(name: string, parameters: readonly number[]): number {
    const [a = 0, b = 0, c = 0, d = 0, e = 0] = parameters;
    const view = new DataView(this.#memory);
    switch (name) {
      case "poll_oneoff":
        return this.#poll(a, b, c, d);
      case "clock_time_get":
        view.setBigUint64(c, this.nowNs, true);
        return SUCCESS;
      case "fd_fdstat_get":
        if (!this.#isOpen(a)) return BADF;
        view.setUint8(b, a < 3 ? 2 : FILETYPE_STREAM);
        return SUCCESS;
      case "fd_write":
        return this.#print(a, this.#vector(b), d);
      case "fd_read":
        return this.#receive(a, this.#vector(b), d);
      case "fd_fdstat_set_flags":
        return a < 3 ? NOTCAPABLE : this.#note(name, parameters);
      case "sock_accept":
        return this.#accept(a, c);
      case "sock_recv":
        return this.#receive(a, this.#vector(b), e);
      case "sock_send":
        return this.#send(a, this.#vector(b), e);
      case "fd_close":
        return this.#close(a);
      case "environ_sizes_get":
        view.setUint32(a, this.environment.length, true);
        view.setUint32(b, this.#environmentBytes().length, true);
        return SUCCESS;
      case "environ_get":
        return this.#writeEnvironment(a, b);
      case "proc_exit":
        throw new Exit(a);
      case "sock_open":
        this.#add(new Connection(), c);
        return this.#note(name, parameters);
      case "sock_connect":
        this.#note(name, parameters);
        return this.connectErrno;
      case "sock_getsockopt":
        view.setUint32(d, this.socketErrno, true);
        return this.#note(name, parameters);
      default:
        return this.#note(name, parameters);
    }
  }

  #note(name: string, parameters: readonly number[]): number {
    this.calls.push(`${name} ${parameters.join(" ")}`);
    return SUCCESS;
  }

  #isOpen(fd: number): boolean {
    return fd < 3 || this.waiting.has(fd) || this.connections.has(fd);
  }

  #vector(at: number): Buffer {
    const view = new DataView(this.#memory);
    return Buffer.from(this.#memory, view.getUint32(at, true), view.getUint32(at + 4, true));
  }

  #poll(subscriptionsAt: number, eventsAt: number, count: number, countAt: number): number {
    const [clock, ...descriptors] = readSubscriptions(this.#memory, subscriptionsAt, count);
    if (clock === undefined || clock.tag !== CLOCK || clock.absolute || clock.timeoutNs < 1n || clock.id !== 1) {
      throw new Error("the first subscription is no relative monotonic clock with a time to wait");
    }
    if (descriptors.some(({ tag }) => tag === CLOCK)) throw new Error("a second clock");
    const names = descriptors.map(({ tag, id }) => `${tag === FD_READ ? "read" : "write"} ${id}`);
    if (new Set(names).size < names.length) throw new Error(`subscribed twice: ${names.join(", ")}`);
    this.#lastAsked = names;
    if (descriptors.length === 0) this.sleepsMs.push(Number(clock.timeoutNs) / 1e6);
    else this.polls.push({ timeoutNs: clock.timeoutNs, descriptors: names });
    if (descriptors.length > 0) this.onPoll(this.polls.length);
    if (descriptors.some(({ id }) => !this.#isOpen(id) || this.unpollable.has(id))) return BADF;
    if (this.polling === "refusing" && descriptors.length > 0) return NOTSUP;

    const ready = this.#readyOf(descriptors);
    const isSilent = this.polling === "silent" && descriptors.length > 0;
    const waits = ready.every(({ id }) => this.files.has(id)) && !isSilent;
    if (waits || this.polling === "blind") this.nowNs += clock.timeoutNs;
    const events = ready.map(({ userdata, tag, id }) => {
      const error = this.files.has(id) ? PERM : this.polling === "blind" && tag === FD_WRITE ? NOTSUP : SUCCESS;
      return { userdata, type: tag, error, nbytes: 0, hangup: false };
    });
    if (waits) events.push({ userdata: clock.userdata, type: CLOCK, error: SUCCESS, nbytes: 0, hangup: false });
    events.forEach((event, index) => writeEvent(this.#memory, eventsAt + index * EVENT_SIZE, event));
    new DataView(this.#memory).setUint32(countAt, events.length, true);
    return SUCCESS;
  }

  #readyOf(descriptors: readonly WasiSubscription[]): readonly WasiSubscription[] {
    const ready = descriptors.filter(({ tag, id }) => {
      const listener = this.waiting.get(id);
      if (listener !== undefined) return listener.length > 0;
      const connection = this.connections.get(id);
      return tag === FD_READ ? connection?.isReadable === true : connection?.isWritable === true;
    });
    if (this.polling === "blind" || (this.polling === "all at once" && ready.length > 0)) return descriptors;
    return ready;
  }

  #accept(fd: number, at: number): number {
    const connection = this.waiting.get(fd)?.shift();
    if (connection === undefined) return this.waiting.has(fd) ? AGAIN : NOTSOCK;
    this.#add(connection, at);
    return SUCCESS;
  }

  #add(connection: Connection, at: number): void {
    let lowest = 10;
    while (this.connections.has(lowest)) lowest += 1;
    connection.fd = this.numbers.shift() ?? lowest;
    this.connections.set(connection.fd, connection);
    new DataView(this.#memory).setUint32(at, connection.fd, true);
  }

  #receive(fd: number, target: Buffer, lengthAt: number): number {
    const connection = this.connections.get(fd);
    if (connection === undefined) return BADF;
    const { error } = connection;
    connection.error = 0;
    const [first] = connection.input;
    if (first === undefined && error !== 0) return error;
    if (first === undefined && !connection.ended) return AGAIN;
    const length = first?.copy(target) ?? 0;
    if (first !== undefined) {
      connection.input.shift();
      if (length < first.length) connection.input.unshift(first.subarray(length));
    }
    new DataView(this.#memory).setUint32(lengthAt, length, true);
    return SUCCESS;
  }

  #send(fd: number, data: Buffer, lengthAt: number): number {
    const connection = this.connections.get(fd);
    if (connection === undefined) return BADF;
    if (connection.sendError !== 0) return connection.sendError;
    const length = Math.min(data.length, connection.room);
    if (length === 0) return AGAIN;
    connection.room -= length;
    connection.sent += data.subarray(0, length).toString();
    new DataView(this.#memory).setUint32(lengthAt, length, true);
    return SUCCESS;
  }

  #print(fd: number, data: Buffer, lengthAt: number): number {
    if (fd === 1) this.stdout += data.toString();
    else this.stderr += data.toString();
    new DataView(this.#memory).setUint32(lengthAt, data.length, true);
    return SUCCESS;
  }

  #close(fd: number): number {
    if (fd === 0) this.lastAskedAtClose = this.#lastAsked;
    const connection = this.connections.get(fd);
    if (connection !== undefined) connection.closed = true;
    return this.connections.delete(fd) || this.waiting.delete(fd) ? SUCCESS : BADF;
  }

  #environmentBytes(): Buffer {
    return Buffer.from(this.environment.map((entry) => `${entry}\0`).join(""));
  }

  #writeEnvironment(pointersAt: number, bytesAt: number): number {
    const view = new DataView(this.#memory);
    let at = bytesAt;
    this.environment.forEach((entry, index) => {
      view.setUint32(pointersAt + 4 * index, at, true);
      at += Buffer.byteLength(entry) + 1;
    });
    this.#environmentBytes().copy(Buffer.from(this.#memory, bytesAt));
    return SUCCESS;
  }
}

/** "module.name" of everything a module imports. */
export function importsOf(module: Uint8Array): string[] {
  return WebAssembly.Module.imports(new WebAssembly.Module(module)).map(({ module: from, name }) => `${from}.${name}`);
}
