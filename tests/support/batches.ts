/**
 * Owns connections that are served in batches: a backend that batches from the second ready connection on, handlers on
 * one side of each, plain sockets on the other. Knows the public API alone.
 */

import { type Backend, type ChannelMap, createNodeBackend, type Dispatcher, loopSync, Socket } from "wasyncore";
import { newMap } from "./runs.js";
import { bytes, owned } from "./sockets.js";

/** Rounds of messages after which every connection is steady. */
const ROUNDS = 5;

export interface Served<H extends Dispatcher> {
  readonly backend: Backend;
  readonly map: ChannelMap;
  readonly handlers: readonly H[];
  /** The other ends, in the order of the handlers. */
  readonly peers: readonly Socket[];
  /** Sends what is given from each peer, in order. */
  tell(...messages: readonly (Uint8Array | string)[]): void;
  /** Runs one turn that waits for nothing. */
  turn(): void;
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
  const listening = listener(backend);
  const pairs = Array.from({ length: count }, () => connectedPair(backend, listening));
  const peers = pairs.map(([, peer]) => peer);
  const handlers = pairs.map(([socket]) => create(socket, map));
  const turn = (): void => loopSync({ map, count: 1, timeoutMs: 0 });
  const tell = (...messages: readonly (Uint8Array | string)[]): void => {
    for (const [index, message] of messages.entries()) {
      peers[index]?.send(typeof message === "string" ? bytes(message) : message);
    }
  };
  for (let round = 0; round < ROUNDS; round++) {
    tell(...peers.map(() => "."));
    turn();
    for (const peer of peers) drain(peer);
  }
  return { backend, map, handlers, peers, tell, turn };
}

/** All that has come to a socket. */
export function drain(socket: Socket): Buffer {
  const parts: Uint8Array[] = [];
  while (true) {
    const part = receiveSome(socket);
    if (part === undefined || part.length === 0) return Buffer.concat(parts);
    parts.push(part);
  }
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
export function listener(backend: Backend): Socket {
  const socket = owned(Socket.create({}, backend));
  socket.bind({ host: "127.0.0.1", port: 0 });
  socket.listen(8);
  return socket;
}

/** Two connected TCP sockets of `backend`: the one that was accepted, and the one that connected, which is made first. */
export function connectedPair(backend: Backend, listening = listener(backend)): [accepted: Socket, connected: Socket] {
  const connected = owned(Socket.create({}, backend));
  connected.connect(listening.localAddress());
  // Over the loopback the connection is there when connect returns.
  const accepted = listening.accept();
  if (accepted === undefined) throw new Error("nothing was accepted");
  return [owned(accepted[0]), connected];
}
