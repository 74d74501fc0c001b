/**
 * Owns a socket's descriptor: the thin wrapper that turns the backend's numbers into values and typed errors. Knows
 * the backend seam; knows no loop and no handler.
 */

import type {
  AddressOf,
  Backend,
  Datagram,
  Family,
  InetAddress,
  ShutdownHow,
  SocketAddress,
  SocketType,
  UnixAddress,
} from "../backend/backend.js";
import { checkAddress, checkArray, checkBytes, checkInteger, checkOneOf } from "../backend/check.js";
import { defaultBackend } from "../node/default.js";
import { INSPECT, inspectAddress, inspectAs, type Inspect, type InspectOptions } from "../backend/inspect.js";
import {
  type AddressKind,
  askEnd,
  askState,
  boundAddress,
  CONNECTIONLESS,
  ERROR_SHIFT,
  ERROR_UNIT,
  hasNoPeer,
  KNOWN,
  Known,
  ofKind,
  UNCONNECTED,
} from "./connection.js";
import type { Endpoint, EndpointAddresses, ConnectionState } from "./endpoint.js";
import { type Borrower, borrowers, lend } from "./lending.js";
import { plainBytes } from "./plain-bytes.js";
import { adopted, made, madePair, type SocketOptions } from "./making.js";
import { numericAddress } from "./numeric.js";
import { errorOf, wouldBlock } from "./results.js";
import { kindOf, type SocketKind } from "./socket-kind.js";
import { closeWhenUnreachable, forgetOwner, type Keeper } from "./unreachable.js";
import { OSError } from "../backend/errors.js";
import { AncillarySocket } from "./ancillary-socket.js";

const HOWS = ["read", "write", "both"] as const;
const LENGTH_MAX = 0x7fffffff;

export type { SocketOptions };

/**
 * A non-blocking, close-on-exec socket. Calls that would have to wait throw {@link BlockingIOError}; every other
 * failure throws {@link OSError}, EBADF once it is closed. Each method is the call of the same name in socket(7).
 *
 * The type has the family where that is known: an address of a `Socket<"IPv4">` has a port, and no path.
 */
export class Socket<F extends Family = Family> extends AncillarySocket implements Endpoint {
  /** What it has in common with the other sockets of its kind: one reference, where each would have several. */
  #kind: SocketKind<F>;
  #fd: number;
  #bytesIn = 0;
  #bytesOut = 0;
  /**
   * What is known of it without asking, a {@link Known}; where CONNECTED, its peer is {@link #peer}. Above that, an error that
   * {@link connectionState} has taken, as errno, for the next call that would have been given it.
   */
  #condition: number = Known.NOTHING;
  /** The peer, from accept or connect: the operating system forgets it when the connection is reset. */
  #peer: SocketAddress | undefined;

  /** Wraps a descriptor, which the socket owns from then on. See {@link create} and {@link fromDescriptor}. */
  private constructor(kind: SocketKind<F>, fd: number) {
    // JavaScript knows no private constructor.
    if (typeof fd !== "number") throw illegalConstructor();
    super();
    this.#kind = kind;
    this.#fd = fd;
    if (kind.keeper === undefined) closeWhenUnreachable(this, kind.backend, fd);
    else kind.keeper.keep(fd);
  }

  /** Makes a socket. socket(2). */
  static create<F extends Family = "IPv4">(
    options: SocketOptions<F> = {},
    backend: Backend = defaultBackend(),
  ): Socket<F> {
    const { fd, family, type } = made(options, backend);
    const socket = new Socket(kindOf(backend, family, type), fd);
    if (type === "stream") socket.#condition = Known.UNCONNECTED;
    return socket;
  }

  /** Two sockets connected to each other. socketpair(2). */
  static pair(type: SocketType = "stream", backend: Backend = defaultBackend()): [Socket<"unix">, Socket<"unix">] {
    const [one, other] = madePair(type, backend);
    const kind = kindOf(backend, "unix", type);
    return [new Socket(kind, one), new Socket(kind, other)];
  }

  /** Takes over a descriptor that somebody else made (inherited, say), and makes it non-blocking and close-on-exec. */
  static fromDescriptor(fd: number, backend: Backend = defaultBackend()): Socket {
    const { family, type } = adopted(fd, backend);
    return new Socket(kindOf(backend, family, type), fd);
  }

  get family(): F {
    return this.#kind.family;
  }

  get type(): SocketType {
    return this.#kind.type;
  }

  /** The descriptor; -1 once closed. */
  get fd(): number {
    return this.#fd;
  }

  get closed(): boolean {
    return this.#fd < 0;
  }

  /** Bytes received so far. */
  get bytesIn(): number {
    return this.#bytesIn;
  }

  /** Bytes sent so far: taken by the operating system. */
  get bytesOut(): number {
    return this.#bytesOut + (borrowers.get(this)?.bytesOut ?? 0);
  }

  /** Takes one waiting connection; undefined when there is none. @throws OSError: EMFILE, ENFILE, ECONNABORTED, ... */
  accept(): [socket: Socket<F>, address: AddressOf<F>] | undefined {
    return Socket.#accept(this, false);
  }

  /**
   * The same, and the new socket has the keeper of this one: for a caller that soon passes it to another, or to none.
   * @internal
   */
  acceptKept(): [socket: Socket<F>, address: AddressOf<F>] | undefined {
    return Socket.#accept(this, true);
  }

  /** Binds to an address; a host name is looked up, blocking. Port 0 takes a free one. */
  bind(address: SocketAddress): void {
    checkAddress("address", address);
    Socket.#check(this, this.#kind.backend.bind(this.#fd, Socket.#numeric(this, address)), "bind", address);
  }

  /** Listens; `backlog` connections may wait to be accepted. */
  listen(backlog: number): void {
    checkInteger("backlog", backlog, 0, LENGTH_MAX);
    Socket.#check(this, this.#kind.backend.listen(this.#fd, backlog), "listen");
    this.#condition &= ~KNOWN;
  }

  /** Begins to connect to a numeric address or a path. @returns whether that is done already. */
  connect(address: SocketAddress): boolean {
    checkAddress("address", address);
    const to = Socket.#numeric(this, address);
    const result = this.#kind.backend.connect(this.#fd, to);
    this.#condition &= ~KNOWN;
    this.#peer = to;
    if (result >= 0) return true;
    const code = this.#kind.backend.errorCode(result);
    if (code === "EINPROGRESS" || code === "EALREADY") return false;
    if (code === "EISCONN") return true;
    // EAGAIN as well: the queue of a Unix listener is full, or there is no free port. Nothing is under way then.
    const { host, port, path } = address;
    throw new OSError(code, { errno: result, syscall: "connect", address: host, port, path });
  }

  /**
   * Receives up to `maxBytes`; empty at end of input. What is returned may be a view of memory that other data shares, as
   * of a Buffer: see `Dispatcher.recv`.
   */
  recv(maxBytes: number): Uint8Array {
    checkInteger("maxBytes", maxBytes, 0, LENGTH_MAX);
    if (this.#condition >= ERROR_UNIT) Socket.#throwPending(this, "recv");
    const data = this.#kind.backend.receive(this.#fd, maxBytes);
    if (typeof data === "number") throw errorOf(this.#kind.backend, data, "recv");
    this.#bytesIn += data.length;
    return data;
  }

  /**
   * Receives into `target`, up to its length. socket.recv_into of Python.
   * @returns how many bytes, 0 at end of input
   * @throws TypeError for anything but a Uint8Array, and for one whose memory was transferred
   */
  recvInto(target: Uint8Array): number {
    const plain = plainBytes("target", target);
    if (this.#condition >= ERROR_UNIT) Socket.#throwPending(this, "recv");
    const length = Socket.#check(this, this.#kind.backend.recv(this.#fd, plain), "recv");
    this.#bytesIn += length;
    return length;
  }

  /** Receives one datagram; what is longer than `maxBytes` is cut. */
  recvFrom(maxBytes: number): Datagram {
    checkInteger("maxBytes", maxBytes, 0, LENGTH_MAX);
    const received = this.#kind.backend.receiveFrom(this.#fd, maxBytes);
    if (typeof received === "number") throw errorOf(this.#kind.backend, received, "recvfrom");
    this.#bytesIn += received.data.length;
    return received;
  }

  /** Sends. @returns how many bytes were taken: perhaps not all. */
  send(data: Uint8Array): number {
    checkBytes("data", data);
    if (this.#condition >= ERROR_UNIT) Socket.#throwPending(this, "send");
    const length = Socket.#check(this, this.#kind.backend.send(this.#fd, data), "send");
    this.#bytesOut += length;
    return length;
  }

  /** The same, with 0 where it would have to wait: what a full send buffer answers is no exception. @internal */
  sendSome(data: Uint8Array): number {
    checkBytes("data", data);
    if (this.#condition >= ERROR_UNIT) Socket.#throwPending(this, "send");
    return Socket.#sent(this, this.#kind.backend.send(this.#fd, data));
  }

  /** Sends several pieces in one call, as {@link sendSome}. @internal */
  sendSomeOf(pieces: readonly Uint8Array[]): number {
    checkArray("pieces", pieces);
    for (const piece of pieces) checkBytes("piece", piece);
    if (this.#condition >= ERROR_UNIT) Socket.#throwPending(this, "send");
    return Socket.#sent(this, this.#kind.backend.sendVector(this.#fd, pieces));
  }

  /** Sends one datagram; a host name is looked up, blocking. */
  sendTo(data: Uint8Array, address: SocketAddress): number {
    checkBytes("data", data);
    checkAddress("address", address);
    const length = Socket.#check(
      this,
      this.#kind.backend.sendTo(this.#fd, data, Socket.#numeric(this, address)),
      "sendto",
      address,
    );
    this.#bytesOut += length;
    return length;
  }

  /** Ends one half of a connection, or both. */
  shutdown(how: ShutdownHow): void {
    checkOneOf("how", how, HOWS);
    Socket.#check(this, this.#kind.backend.shutdown(this.#fd, how), "shutdown");
  }

  /**
   * Where the socket is bound. getsockname(2).
   * @param kind "inet" for an address with host and port, "unix" for one with a path, where the socket's type does not say
   * @throws OSError EAFNOSUPPORT where it is not of that kind
   */
  localAddress(): AddressOf<F>;
  localAddress(kind: "inet"): InetAddress;
  localAddress(kind: "unix"): UnixAddress;
  localAddress(kind?: AddressKind): SocketAddress {
    return ofKind(boundAddress(this.#kind.backend, this.#fd), kind, "getsockname");
  }

  /**
   * Whom it is connected to, or was: the operating system forgets the peer of a reset connection. getpeername(2).
   * @param kind see {@link localAddress}
   */
  remoteAddress(): AddressOf<F>;
  remoteAddress(kind: "inet"): InetAddress;
  remoteAddress(kind: "unix"): UnixAddress;
  remoteAddress(kind?: AddressKind): SocketAddress {
    const address = this.#kind.backend.remoteAddress(this.#fd);
    if (typeof address !== "number") return ofKind(address, kind, "getpeername");
    const error = errorOf(this.#kind.backend, address, "getpeername");
    if (this.#peer !== undefined && Socket.#wasConnected(this) && hasNoPeer(error)) {
      return ofKind(this.#peer, kind, "getpeername");
    }
    throw error;
  }

  protected override get backend(): Backend {
    return this.#kind.backend;
  }

  protected override count(received: number, sent: number): void {
    this.#bytesIn += received;
    this.#bytesOut += sent;
  }

  protected override takePending(): number {
    const pending = this.#condition >> ERROR_SHIFT;
    this.#condition &= KNOWN;
    return 0 - pending;
  }

  /** @internal */
  get isStream(): boolean {
    return this.type === "stream";
  }

  /**
   * What the socket is at the moment. A connection that is over, reset perhaps, is still "connected": `recv` gives what is
   * left of it, and its error. One that `accept` gave is known to be that; any other is asked.
   * @throws OSError where it cannot be asked: EBADF once it is closed
   * @internal
   */
  connectionState(): ConnectionState {
    if (!this.isStream) return CONNECTIONLESS;
    const known = this.#condition & KNOWN;
    if (known !== Known.NOTHING && this.#fd >= 0) {
      return known === Known.CONNECTED ? { kind: "connected", address: this.#peer } : UNCONNECTED;
    }
    const { backend } = this.#kind;
    const state = askState(backend, this.#fd);
    if (state !== undefined) return state;
    if (this.#condition < ERROR_UNIT) {
      const error = askEnd(backend, this.#fd);
      if (error === undefined) return UNCONNECTED;
      this.#condition |= -error << ERROR_SHIFT;
    }
    return { kind: "connected", address: Socket.#wasConnected(this) ? this.#peer : undefined };
  }

  /** Can a peer still get anything? Not after a reset, nor when both sides have ended. @internal */
  get hasPeer(): boolean {
    return typeof this.#kind.backend.remoteAddress(this.#fd) !== "number";
  }

  /** @internal */
  addresses(): EndpointAddresses {
    return { local: known(() => this.localAddress()), remote: known(() => this.remoteAddress()) };
  }

  /** For `util.inspect` and `console.log`. @internal */
  [INSPECT](depth: number, options: InspectOptions, inspect: Inspect): string {
    const read = (): Record<string, unknown> => {
      const { fd, family, type, bytesIn, bytesOut } = this;
      const { local, remote }: EndpointAddresses = fd < 0 ? {} : this.addresses();
      return { fd, family, type, local: inspectAddress(local), remote: inspectAddress(remote), bytesIn, bytesOut };
    };
    return inspectAs(this, "Socket", read, depth, options, inspect);
  }

  /** Closes the descriptor; safe to call again. */
  close(): void {
    const fd = this.#fd;
    if (fd < 0) return;
    Socket.#forget(this);
    this.#fd = -1;
    this.#condition &= KNOWN;
    borrowers.get(this)?.close();
    Socket.#check(this, this.#kind.backend.close(fd), "close");
  }

  /**
   * Gives the descriptor away: closing it is the caller's business from then on.
   * @throws OSError EBUSY while the backend holds bytes of it: input to be received first, output that is still to be sent
   */
  detach(): number {
    const fd = this.#fd;
    if (fd < 0) return fd;
    Socket.#check(this, this.#kind.backend.release(fd), "detach");
    Socket.#forget(this);
    this.#fd = -1;
    return fd;
  }

  /**
   * Passes to `keeper`, or to no keeper, what closes the descriptor if nobody does. A keeper of another backend cannot.
   * @internal
   */
  keepBy(keeper: Keeper | undefined): void {
    const fd = this.#fd;
    const { backend, family, type, keeper: former } = this.#kind;
    if (fd < 0 || keeper === former || (keeper !== undefined && keeper.backend !== backend)) return;
    Socket.#forget(this);
    if (keeper === undefined) {
      closeWhenUnreachable(this, backend, fd);
    } else {
      keeper.keep(fd);
      this.#kind = kindOf(backend, family, type, keeper);
    }
  }

  /**
   * Gives a duplicate of the descriptor to code that does not use the backend, and closes it there when this is closed.
   * @returns what `take` returns; undefined where there is no duplicate: the backend is not the operating system or holds
   * bytes of the descriptor, or no descriptor is left
   * @throws what `take` throws, which has not taken the duplicate then
   * @internal
   */
  lend<T extends Borrower>(take: (fd: number) => T): T | undefined {
    return lend(this, this.#kind.backend, this.#fd, take);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  // Static, because private methods would take a field of each socket.

  static #accept<F extends Family>(
    listening: Socket<F>,
    isKept: boolean,
  ): [socket: Socket<F>, address: AddressOf<F>] | undefined {
    const kind = listening.#kind;
    const { backend, family, type } = kind;
    const accepted = backend.accept(listening.#fd);
    if (typeof accepted === "number") {
      if (wouldBlock(backend, accepted)) return undefined;
      const error = errorOf(backend, accepted, "accept");
      if (error.code !== "EINVAL") throw error;
      throw new OSError("EINVAL", { syscall: "accept", hint: "the socket does not listen: call listen() first" });
    }
    const socket = new Socket(isKept ? kind : kindOf(backend, family, type), accepted.fd);
    socket.#peer = accepted.address;
    socket.#condition = Known.CONNECTED;
    return [socket, accepted.address as AddressOf<F>];
  }

  /** Nothing closes its descriptor any more if nobody does. A socket that is closed must not keep a keeper from being garbage. */
  static #forget<F extends Family>(socket: Socket<F>): void {
    const { backend, family, type, keeper } = socket.#kind;
    if (keeper === undefined) {
      forgetOwner(socket);
    } else {
      keeper.forget(socket.#fd);
      socket.#kind = kindOf(backend, family, type);
    }
  }

  /** Was there a connection for certain? */
  static #wasConnected(socket: Socket): boolean {
    return (socket.#condition & KNOWN) === Known.CONNECTED || socket.#bytesIn > 0 || socket.#bytesOut > 0;
  }

  static #throwPending(socket: Socket, syscall: string): never {
    throw errorOf(socket.#kind.backend, socket.takePending(), syscall);
  }

  static #sent(socket: Socket, length: number): number {
    const { backend } = socket.#kind;
    if (length < 0) {
      if (wouldBlock(backend, length)) return 0;
      throw errorOf(backend, length, "send");
    }
    socket.#bytesOut += length;
    return length;
  }

  static #check(socket: Socket, result: number, syscall: string, address?: SocketAddress): number {
    if (result < 0) throw errorOf(socket.#kind.backend, result, syscall, address);
    return result;
  }

  static #numeric(socket: Socket, address: SocketAddress): SocketAddress {
    return numericAddress(socket.#kind.backend, address, socket.family);
  }
}

/** An address, or undefined where there is none. */
function known(ask: () => SocketAddress): SocketAddress | undefined {
  try {
    return ask();
  } catch {
    return undefined;
  }
}

function illegalConstructor(): TypeError {
  const message =
    "new Socket() makes no socket: call Socket.create(), or Socket.fromDescriptor() for an open descriptor";
  return Object.assign(new TypeError(message), { code: "ERR_ILLEGAL_CONSTRUCTOR" });
}
