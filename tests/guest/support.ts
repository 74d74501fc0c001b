/**
 * Owns what the tests of host/wasi stand on: a guest that is nothing but a memory and the calls it is served, with
 * pipes for its standard input and output. Knows WASI's bytes.
 */

import { onTestFinished } from "vitest";
import type { Backend } from "../../host/backend/backend.js";
import { createNodeBackend } from "../../host/node/backend.js";
import { Preview1, type Preview1Imports, type Preview1Options } from "../../host/guest/preview1.js";
import {
  type WasiEvent,
  type WasiSubscription,
  EVENT_SIZE,
  readEvents,
  SUBSCRIPTION_SIZE,
  writeSubscription,
} from "../engine/wasi-bytes.js";
import { anyAddress, boundSocket, owned, ownedPair } from "../backend/support.js";

/** Numbers of WASI's `errno`, from its specification. */
export const Errno = {
  SUCCESS: 0,
  ACCES: 2,
  ADDRINUSE: 3,
  AFNOSUPPORT: 5,
  AGAIN: 6,
  BADF: 8,
  CONNREFUSED: 14,
  CONNRESET: 15,
  EXIST: 20,
  FAULT: 21,
  ILSEQ: 25,
  INPROGRESS: 26,
  INVAL: 28,
  ISDIR: 31,
  LOOP: 32,
  MFILE: 33,
  MSGSIZE: 35,
  NAMETOOLONG: 37,
  NOENT: 44,
  NOPROTOOPT: 50,
  NOSYS: 52,
  NOTCONN: 53,
  NOTDIR: 54,
  NOTEMPTY: 55,
  NOTSOCK: 57,
  NOTSUP: 58,
  PERM: 63,
  PIPE: 64,
  ROFS: 69,
  SPIPE: 70,
  XDEV: 75,
  NOTCAPABLE: 76,
} as const;

export const NONBLOCK = 4;
export const PAGE = 65_536;

/** Where the tests put things: results from 0 on, iovecs, then what they point at. */
export const RESULT_AT = 16;
export const FLAGS_AT = 32;
const IOVECS_AT = 64;
export const DATA_AT = 16_384;
const SUBSCRIPTIONS_AT = 8192;
const EVENTS_AT = 32_768;
const COUNT_AT = 48;

export const backend = createNodeBackend();

/** A guest whose code is the test. */
export class Caller {
  readonly memory: { buffer: ArrayBuffer };
  readonly preview1: Preview1;
  readonly calls: Preview1Imports;

  constructor(options: Preview1Options, on: Backend, pages: number) {
    this.memory = { buffer: new ArrayBuffer(pages * PAGE) };
    this.preview1 = new Preview1(on, options);
    this.calls = this.preview1.imports;
    this.preview1.attach(this.memory);
    onTestFinished(() => this.preview1.close());
  }

  get view(): DataView {
    return new DataView(this.memory.buffer);
  }

  u32(at: number): number {
    return this.view.getUint32(at, true);
  }

  bytes(at: number, length: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, at, length);
  }

  text(at: number, length: number): string {
    return Buffer.from(this.bytes(at, length)).toString();
  }

  /** Writes a vector of buffers. @returns the two parameters that tell it */
  iovecs(...buffers: readonly (readonly [at: number, length: number])[]): [at: number, count: number] {
    for (const [index, [at, length]] of buffers.entries()) {
      this.view.setUint32(IOVECS_AT + 8 * index, at, true);
      this.view.setUint32(IOVECS_AT + 8 * index + 4, length, true);
    }
    return [IOVECS_AT, buffers.length];
  }

  /** Writes bytes. @returns a vector of them alone */
  data(data: string | Uint8Array): [at: number, count: number] {
    const bytes = Buffer.from(data);
    this.bytes(DATA_AT, bytes.length).set(bytes);
    return this.iovecs([DATA_AT, bytes.length]);
  }

  /** fd_read of up to `length` bytes. @returns what was read, or the errno */
  read(fd: number, length = 4096): string | number {
    const errno = this.calls.fd_read(fd, ...this.iovecs([DATA_AT, length]), RESULT_AT);
    return errno === Errno.SUCCESS ? this.text(DATA_AT, this.u32(RESULT_AT)) : errno;
  }

  /** fd_write. @returns how many bytes were written, or -errno */
  write(fd: number, data: string | Uint8Array): number {
    const errno = this.calls.fd_write(fd, ...this.data(data), RESULT_AT);
    return errno === Errno.SUCCESS ? this.u32(RESULT_AT) : -errno;
  }

  /** sock_accept. @returns the descriptor, or -errno */
  accept(fd: number, flags = NONBLOCK): number {
    const errno = this.calls.sock_accept(fd, flags, RESULT_AT);
    return errno === Errno.SUCCESS ? this.u32(RESULT_AT) : -errno;
  }

  setNonBlocking(fd: number): void {
    const errno = this.calls.fd_fdstat_set_flags(fd, NONBLOCK);
    if (errno !== Errno.SUCCESS) throw new Error(`fd_fdstat_set_flags: ${errno}`);
  }

  /** poll_oneoff. @returns its events, or its errno */
  poll(...subscriptions: readonly WasiSubscription[]): WasiEvent[] | number {
    const { buffer } = this.memory;
    for (const [index, subscription] of subscriptions.entries()) {
      writeSubscription(buffer, SUBSCRIPTIONS_AT + index * SUBSCRIPTION_SIZE, subscription);
    }
    this.bytes(EVENTS_AT, subscriptions.length * EVENT_SIZE).fill(0xee);
    const errno = this.calls.poll_oneoff(SUBSCRIPTIONS_AT, EVENTS_AT, subscriptions.length, COUNT_AT);
    return errno === Errno.SUCCESS ? readEvents(buffer, EVENTS_AT, this.u32(COUNT_AT)) : errno;
  }
}

/** The far ends of a guest's standard input and output. */
export interface FarEnds {
  readonly stdin: number;
  readonly stdout: number;
}

/** A guest with pipes for its standard input and output. */
export function createCaller(options: Preview1Options = {}, { on = backend, pages = 1 } = {}): [Caller, FarEnds] {
  const [stdin, farStdin] = ownedPair(backend, backend.pipe());
  const [farStdout, stdout] = ownedPair(backend, backend.pipe());
  const stdio = [{ fd: stdin }, { fd: stdout }, { fd: stdout }] as const;
  return [new Caller({ stdio, ...options }, on, pages), { stdin: farStdin, stdout: farStdout }];
}

/** A guest with a listener as descriptor 3, and the listener's address. */
export function createServer(options: Preview1Options = {}, pages = 1) {
  const fd = backend.socket("IPv4", "stream");
  backend.bind(fd, anyAddress("IPv4"));
  backend.listen(fd, 8);
  const address = backend.localAddress(fd);
  if (typeof address === "number") throw new Error(backend.errorCode(address));
  const [caller] = createCaller({ listeners: [{ fd }], ...options }, { pages });
  return { caller, address };
}

/** A guest with a connection as descriptor 4, and the backend's descriptor of its other end. */
export function createConnection(options: Preview1Options = {}, pages = 1) {
  const { caller, address } = createServer(options, pages);
  const peer = owned(backend, backend.socket("IPv4", "stream"));
  backend.connect(peer, address);
  caller.poll({ userdata: 0n, tag: 1, id: 3, timeoutNs: 0n, absolute: false });
  const fd = caller.accept(3);
  if (fd !== 4) throw new Error(`sock_accept: ${fd}`);
  return { caller, fd, peer };
}

/** Receives from a backend's descriptor until the end of input, or until `length` bytes have come. */
export function receive(fd: number, length = Infinity): Buffer {
  const parts: Buffer[] = [];
  const target = new Uint8Array(65_536);
  const set = backend.createPollSet();
  try {
    set.update(fd, 1);
    for (let total = 0; total < length;) {
      set.wait(10_000);
      const result =
        backend.errorCode(Number(backend.family(fd))) === "ENOTSOCK"
          ? backend.read(fd, target)
          : backend.recv(fd, target);
      if (result < 0) throw new Error(`recv: ${backend.errorCode(result)}`);
      if (result === 0) break;
      parts.push(Buffer.from(target.subarray(0, result)));
      total += result;
    }
  } finally {
    set.close();
  }
  return Buffer.concat(parts);
}

export { boundSocket, owned, ownedPair };
