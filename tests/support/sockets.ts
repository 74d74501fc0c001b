/**
 * Owns the sockets that tests stand on: listeners, connected pairs, pipes, each closed when the test ends. Knows the
 * public API alone.
 */

import { onTestFinished } from "vitest";
import { ChannelMap, defaultBackend, Dispatcher, type Family, loopSync, Socket, type SocketAddress } from "wasyncore";

export { pattern } from "./pattern.js";

export const FAMILIES = ["IPv4", "IPv6", "unix"] as const satisfies readonly Family[];

/** An address of `family` that nobody else has: port 0, or a name that the kernel gives. */
export function anyAddress(family: Family): SocketAddress {
  if (family === "unix") return { path: "" };
  return { host: family === "IPv4" ? "127.0.0.1" : "::1", port: 0 };
}

/** Closes what it is given when the test ends. */
export function owned<T extends { close(): void }>(resource: T): T {
  onTestFinished(() => resource.close());
  return resource;
}

/** A listening socket and where it listens. */
export function listener(family: Family = "IPv4", backlog = 128, backend = defaultBackend()): [Socket, SocketAddress] {
  const socket = owned(Socket.create({ family }, backend));
  socket.bind(anyAddress(family));
  socket.listen(backlog);
  return [socket, socket.localAddress()];
}

/** An address that refuses connections: somebody had it, and holds it without listening. */
export function refusingAddress(family: Family = "IPv4"): SocketAddress {
  const socket = owned(Socket.create({ family }));
  socket.bind(anyAddress(family));
  return socket.localAddress();
}

/** A socket that has begun to connect. */
export function connectingTo(address: SocketAddress, family: Family = "IPv4", backend = defaultBackend()): Socket {
  const socket = owned(Socket.create({ family }, backend));
  socket.connect(address);
  return socket;
}

/** Two sockets connected to each other: the one that was accepted, and the one that connected. */
export function connectedPair(family: Family = "IPv4"): [accepted: Socket, connected: Socket] {
  const map = new ChannelMap();
  const [socket, address] = listener(family);
  const connected = connectingTo(address, family);
  const taken: Socket[] = [];
  class Acceptor extends Dispatcher {
    override handleAccepted(accepted: Socket): void {
      taken.push(owned(accepted));
      this.close();
    }
  }
  new Acceptor(socket, map);
  loopSync({ map });
  map[Symbol.dispose]();
  const [accepted] = taken;
  if (accepted === undefined) throw new Error("nothing was accepted");
  return [accepted, connected];
}

/** A pipe; `close` of an end closes it once. */
export function pipe(): { readEnd: OwnedDescriptor; writeEnd: OwnedDescriptor } {
  const ends = defaultBackend().pipe();
  if (typeof ends === "number") throw new Error(`pipe: ${defaultBackend().errorCode(ends)}`);
  return { readEnd: new OwnedDescriptor(ends[0]), writeEnd: new OwnedDescriptor(ends[1]) };
}

/** A descriptor that is closed once: by the test, or at its end. */
export class OwnedDescriptor {
  readonly fd: number;
  #open = true;

  constructor(fd: number) {
    this.fd = fd;
    onTestFinished(() => this.close());
  }

  close(): void {
    if (this.#open) defaultBackend().close(this.fd);
    this.#open = false;
  }
}

/** Resets the connection instead of ending it. */
export function reset(socket: Socket): void {
  socket.setOption("SO_LINGER", 0);
  socket.close();
}

export function bytes(text: string): Uint8Array {
  return Buffer.from(text);
}

export function text(data: Uint8Array): string {
  return Buffer.from(data).toString();
}
