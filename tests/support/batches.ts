/**
 * Owns connections that are served in batches: a backend that batches from the second ready connection on, handlers on
 * one side of each, plain sockets on the other. Knows the public API, and libc to go behind the backend's back.
 */

import { expect } from "vitest";
import { type Backend, type ChannelMap, createNodeBackend, Dispatcher, loopSync, Ready, type Socket } from "wasyncore";
import { loadLibc } from "../../host/node/libc.js";
import { Recorder } from "./handlers.js";
import { newMap, PATIENCE_MS } from "./runs.js";
import { bytes, connectingTo, listener, owned, text } from "./sockets.js";

/** Rounds of messages after which every connection is steady. */
const ROUNDS = 5;

export const recorder = (socket: Socket, map: ChannelMap): Recorder => new Recorder(socket, map);

/** Sends back what it reads, and does more where a test says so. */
export class Echo extends Dispatcher {
  afterwards: (() => void) | undefined;
  override handleRead(): void {
    const data = this.recv(8192);
    if (data.length > 0) this.send(data);
    this.afterwards?.();
  }
  override handleError(error: unknown): void {
    throw error;
  }
}

export const echo = (socket: Socket, map: ChannelMap): Echo => new Echo(socket, map);

/** From now on: a connection is steady only as long as it is read to the end. */
export function readByteByByte(handler: Recorder | undefined): void {
  if (handler === undefined) throw new Error("no handler");
  handler.handleRead = () => void handler.received.push(Buffer.from(handler.recv(1)));
}

export interface Served<H extends Dispatcher> {
  readonly backend: Backend;
  readonly map: ChannelMap;
  readonly handlers: readonly H[];
  /** The other ends, in the order of the handlers. */
  readonly peers: readonly Socket[];
  /** Sends what is given from each peer, in order; returns when the handlers' descriptors can be read. */
  tell(...messages: readonly (Uint8Array | string)[]): void;
  /** Runs one turn that waits for nothing. */
  turn(): void;
  /** Runs turns until `done` says so; fails when it takes too long. */
  turnUntil(done: () => boolean): void;
}

/** A backend that batches as soon as two connections are ready. */
export function batchingBackend(): Backend {
  return createNodeBackend({ batchMin: 2 });
}

/**
 * Connections over the loopback that have become steady: each has received a few messages.
 * @param create the handler of an accepted connection; it has to read what it is told of
 */
export function served<H extends Dispatcher>(
  count: number,
  create: (socket: Socket, map: ChannelMap) => H,
  backend = batchingBackend(),
): Served<H> {
  const map = newMap(backend);
  const server = listening(backend);
  const pairs = Array.from({ length: count }, () => connectedPair(backend, server));
  const peers = pairs.map(([, peer]) => peer);
  const handlers = pairs.map(([socket]) => create(socket, map));
  const turn = (): void => loopSync({ map, count: 1, timeoutMs: 0 });
  const turnUntil = (done: () => boolean): void => {
    for (const deadlineMs = performance.now() + PATIENCE_MS; !done(); turn()) checkDeadline(deadlineMs);
  };
  const tell = (...messages: readonly (Uint8Array | string)[]): void => {
    for (const [index, message] of messages.entries()) {
      peers[index]?.send(typeof message === "string" ? bytes(message) : message);
    }
    for (const { fd } of handlers.slice(0, messages.length)) if (fd >= 0) waitUntilReadable(backend, fd);
  };
  for (let round = 0; round < ROUNDS; round++) {
    tell(...peers.map(() => "."));
    turn();
    for (const peer of peers) drain(peer);
  }
  return { backend, map, handlers, peers, tell, turn, turnUntil };
}

/** Waits for the operating system to have something for `fd`. */
export function waitUntilReadable(backend: Backend, fd: number): void {
  const set = backend.createPollSet();
  try {
    set.update(fd, Ready.READ);
    if (set.wait(PATIENCE_MS) === 0) throw new Error(`descriptor ${fd} had nothing to read for ${PATIENCE_MS} ms`);
  } finally {
    set.close();
  }
}

function checkDeadline(deadlineMs: number): void {
  if (performance.now() > deadlineMs) throw new Error(`it has not come within ${PATIENCE_MS} ms`);
}

/** All that has come to a socket: `least` bytes, unless the end comes before. */
export function drain(socket: Socket, least = 0): Buffer {
  const deadlineMs = performance.now() + PATIENCE_MS;
  const parts: Uint8Array[] = [];
  let length = 0;
  while (true) {
    const part = receiveSome(socket);
    if (part?.length === 0 || (part === undefined && length >= least)) return Buffer.concat(parts, length);
    if (part !== undefined) {
      parts.push(part);
      length += part.length;
    }
    checkDeadline(deadlineMs);
  }
}

/** Waits for a socket's end, after which nothing comes. @throws OSError where it is a reset */
export function waitForEnd(socket: Socket): void {
  const deadlineMs = performance.now() + PATIENCE_MS;
  while (true) {
    const part = receiveSome(socket);
    if (part?.length === 0) return;
    if (part !== undefined) throw new Error(`${part.length} bytes came before the end`);
    checkDeadline(deadlineMs);
  }
}

/** What has come to each socket is what is expected, and nothing more. */
export function expectReplies(peers: readonly Socket[], expected: readonly string[]): void {
  expect(peers.map((peer, index) => text(drain(peer, expected[index]?.length)))).toEqual(expected);
}

/** What has come to a socket; undefined when nothing has, empty at its end. */
export function receiveSome(socket: Socket): Uint8Array | undefined {
  try {
    return socket.recv(65536);
  } catch (error) {
    if ((error as { code?: string }).code === "EAGAIN") return undefined;
    throw error;
  }
}

/** A listening TCP socket of `backend`. */
export function listening(backend: Backend): Socket {
  const [socket] = listener("IPv4", 128, backend);
  return socket;
}

/** Two connected TCP sockets of `backend`: the one that was accepted, and the one that connected, which is made first. */
export function connectedPair(backend: Backend, server: Socket): [accepted: Socket, connected: Socket] {
  const connected = connectingTo(server.localAddress(), "IPv4", backend);
  for (const deadlineMs = performance.now() + PATIENCE_MS; ; checkDeadline(deadlineMs)) {
    const accepted = server.accept();
    if (accepted !== undefined) return [owned(accepted[0]), connected];
  }
}

/** What comes to a descriptor, received behind the backend's back: any call of its own would send first. */
export function receiveBehind(fd: number, length: number): string {
  const deadlineMs = performance.now() + PATIENCE_MS;
  const target = new Uint8Array(length);
  while (true) {
    const received = loadLibc().recv(fd, target, length, 0);
    if (received > 0) return text(target.subarray(0, received));
    checkDeadline(deadlineMs);
  }
}
