/**
 * Owns the transport of records without a stream of JavaScript between: node:tls writes them to the connection itself, in
 * native code, through a duplicate of the descriptor. They are received by us, as of any channel: so the order of events,
 * the end of input and an end without close_notify are the same as with a stream. Knows no session and no handler.
 *
 * A record that is written this way is not copied, and needs no request of a stream and no immediate of its own.
 *
 * Node's API has no call that passes received records to a session whose connection it writes itself. Node has one inside,
 * `receive` of the session's handle, for what was read from a socket before TLS was put on it. It is looked for before it
 * is relied on, and so is the version of Node: with those that have not been tested, records pass through a stream.
 */

import { Socket as NodeSocket } from "node:net";
import { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import type { Socket } from "../socket.js";
import { nodeTls } from "./builtin.js";
import type { Transport, TransportOwner } from "./transport.js";

/** The versions of Node that have been tested. */
const NODE_MAJOR_MIN = 20;
const NODE_MAJOR_MAX = 26;

const NO_BYTES = Buffer.alloc(0);

/** What Node has on a TLSSocket, and its types do not mention. */
interface Receiving {
  readonly _handle?: { receive?: (data: Uint8Array) => void } | null;
  _read: (size: number) => void;
}

/** For tests: false has records pass through a stream everywhere. */
export const nativeTransports = { areAllowed: true };

let areSupported: boolean | undefined;

/** The native transport of a connected socket, or undefined where there can be none. */
export function nativeTransport(socket: Socket, owner: TransportOwner): NativeTransport | undefined {
  if (!nativeTransports.areAllowed) return undefined;
  areSupported ??= isTestedNode() && canReceive();
  if (!areSupported) return undefined;
  try {
    return socket.lend((fd) => new NativeTransport(fd, owner));
  } catch {
    // Node does not take the descriptor: it is of a kind that it does not know.
    return undefined;
  }
}

export class NativeTransport implements Transport {
  readonly stream: NodeSocket;
  /** Node keeps what the connection does not take, and sends it when it does. */
  readonly hasRecords = false;
  readonly #owner: TransportOwner;
  #session: Receiving | undefined;
  #isReceiving = false;

  /** @param fd closed when the session is destroyed, or {@link close} is called */
  constructor(fd: number, owner: TransportOwner) {
    this.#owner = owner;
    this.stream = new NodeSocket({ fd, readable: false, writable: true, allowHalfOpen: true });
    // The map keeps the process alive, or does not.
    this.stream.unref();
  }

  get bytesOut(): number {
    return this.stream.bytesWritten;
  }

  get isReceiving(): boolean {
    return this.#isReceiving;
  }

  attach(session: TLSSocket): void {
    this.#session = session as unknown as Receiving;
    // Node does not read from the connection.
    this.#session._read = ignore;
    session.on("finish", () => this.#owner.outputEnded());
  }

  /**
   * Node ends the output of the connection even while records of the handshake are not acknowledged to the session yet, and
   * then close_notify, which comes after them, is lost. The end waits for a write, and that for those records.
   */
  beforeEnd(session: TLSSocket): void {
    if (session.writableLength === 0) session.write(NO_BYTES);
  }

  give(data: Uint8Array): void {
    this.#isReceiving = true;
    try {
      this.#session?._handle?.receive?.(data);
    } finally {
      this.#isReceiving = false;
    }
  }

  flush(): void {}

  endOutput(): void {}

  clear(): void {}

  /** Node closes the descriptor within the call, and the session after it. */
  close(): void {
    this.stream.destroy();
  }
}

function ignore(): void {}

function isTestedNode(): boolean {
  const { bun, deno, electron, node, nw } = process.versions;
  if ([bun, deno, electron, nw].some((version) => version !== undefined)) return false;
  const major = Number.parseInt(node, 10);
  return major >= NODE_MAJOR_MIN && major <= NODE_MAJOR_MAX;
}

function canReceive(): boolean {
  const session = new (nodeTls().TLSSocket)(new Duplex({ read: ignore, write: (_chunk, _encoding, done) => done() }));
  const { _handle: handle } = session as unknown as Receiving;
  session.on("error", ignore);
  session.destroy();
  return typeof handle?.receive === "function";
}
