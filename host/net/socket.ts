/**
 * Owns a socket's descriptor: the thin wrapper that turns the backend's numbers into values and typed errors. Knows
 * the backend seam; knows no loop and no handler.
 */

import type { Backend, Family, ShutdownHow, SocketAddress, SocketOption, SocketType } from "../backend/backend.js";
import { copyOf } from "../backend/bytes.js";
import { checkAddress, checkBytes, checkDescriptor, checkInteger, checkObject, checkOneOf } from "../backend/check.js";
import { defaultBackend } from "../node/default.js";
import type { Endpoint } from "./endpoint.js";
import { closeWhenUnreachable, forgetOwner } from "./unreachable.js";
import { BlockingIOError, OSError, type OSErrorDetails } from "../backend/errors.js";

const FAMILIES = ["IPv4", "IPv6", "unix"] as const;
const TYPES = ["stream", "dgram"] as const;
const HOWS = ["read", "write", "both"] as const;
const OPTIONS: readonly SocketOption[] = [
  "SO_REUSEADDR",
  "SO_REUSEPORT",
  "SO_KEEPALIVE",
  "SO_BROADCAST",
  "SO_OOBINLINE",
  "SO_RCVBUF",
  "SO_SNDBUF",
  "SO_RCVLOWAT",
  "SO_TYPE",
  "SO_ERROR",
  "SO_ACCEPTCONN",
  "SO_LINGER",
  "TCP_NODELAY",
  "IPV6_V6ONLY",
];
const LENGTH_MAX = 0x7fffffff;
/** The same number on every platform. */
const SOCK_DGRAM = 2;

/** What a socket is made as. */
export interface SocketOptions {
  /** Default "IPv4". */
  readonly family?: Family;
  /** Default "stream". */
  readonly type?: SocketType;
}

/** A datagram, and who sent it. */
export interface Datagram {
  readonly data: Uint8Array;
  readonly address: SocketAddress;
}

/**
 * A non-blocking, close-on-exec socket. Calls that would have to wait throw {@link BlockingIOError}; every other
 * failure throws {@link OSError}, EBADF once it is closed. Each method is the call of the same name in socket(7).
 */
export class Socket implements Endpoint {
  readonly family: Family;
  readonly type: SocketType;
  readonly #backend: Backend;
  #fd: number;
  #bytesIn = 0;
  #bytesOut = 0;

  /** Wraps a descriptor, which the socket owns from then on. See {@link create} and {@link fromDescriptor}. */
  private constructor(backend: Backend, fd: number, family: Family, type: SocketType) {
    this.#backend = backend;
    this.#fd = fd;
    this.family = family;
    this.type = type;
    closeWhenUnreachable(this, backend, fd);
  }

  /** Makes a socket. socket(2). */
  static create(options: SocketOptions = {}, backend: Backend = defaultBackend()): Socket {
    checkObject("options", options);
    const { family = "IPv4", type = "stream" } = options;
    checkOneOf("family", family, FAMILIES);
    checkOneOf("type", type, TYPES);
    const fd = backend.socket(family, type);
    if (fd < 0) throw errorOf(backend, fd, "socket");
    return new Socket(backend, fd, family, type);
  }

  /** Two sockets connected to each other. socketpair(2). */
  static pair(type: SocketType = "stream", backend: Backend = defaultBackend()): [Socket, Socket] {
    checkOneOf("type", type, TYPES);
    const pair = backend.socketPair(type);
    if (typeof pair === "number") throw errorOf(backend, pair, "socketpair");
    return [new Socket(backend, pair[0], "unix", type), new Socket(backend, pair[1], "unix", type)];
  }

  /** Takes over a descriptor that somebody else made (inherited, say), and makes it non-blocking and close-on-exec. */
  static fromDescriptor(fd: number, backend: Backend = defaultBackend()): Socket {
    checkDescriptor("fd", fd);
    const family = backend.family(fd);
    if (typeof family === "number") throw errorOf(backend, family, "getsockopt");
    const prepared = backend.setNonBlocking(fd, true) || backend.setCloseOnExec(fd, true);
    if (prepared < 0) throw errorOf(backend, prepared, "fcntl");
    return new Socket(backend, fd, family, backend.getOption(fd, "SO_TYPE") === SOCK_DGRAM ? "dgram" : "stream");
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
    return this.#bytesOut;
  }

  /** Takes one waiting connection; undefined when there is none. @throws OSError: EMFILE, ENFILE, ECONNABORTED, ... */
  accept(): [socket: Socket, address: SocketAddress] | undefined {
    const accepted = this.#backend.accept(this.#fd);
    if (typeof accepted === "number") {
      const error = errorOf(this.#backend, accepted, "accept");
      if (error instanceof BlockingIOError) return undefined;
      throw error;
    }
    return [new Socket(this.#backend, accepted.fd, this.family, this.type), accepted.address];
  }

  /** Binds to an address; a host name is looked up, blocking. Port 0 takes a free one. */
  bind(address: SocketAddress): void {
    checkAddress("address", address);
    this.#check(this.#backend.bind(this.#fd, this.#numeric(address)), "bind", address);
  }

  /** Listens; `backlog` connections may wait to be accepted. */
  listen(backlog: number): void {
    checkInteger("backlog", backlog, 0, LENGTH_MAX);
    this.#check(this.#backend.listen(this.#fd, backlog), "listen");
  }

  /** Begins to connect to a numeric address or a path. @returns whether that is done already. */
  connect(address: SocketAddress): boolean {
    checkAddress("address", address);
    const result = this.#backend.connect(this.#fd, this.#numeric(address));
    if (result >= 0) return true;
    const code = this.#backend.errorCode(result);
    if (code === "EINPROGRESS" || code === "EALREADY") return false;
    if (code === "EISCONN") return true;
    // EAGAIN as well: the queue of a Unix listener is full, or there is no free port. Nothing is under way then.
    const { host, port, path } = address;
    throw new OSError(code, { errno: result, syscall: "connect", address: host, port, path });
  }

  /** Receives up to `maxBytes`; nothing at end of input. */
  recv(maxBytes: number): Uint8Array {
    checkInteger("maxBytes", maxBytes, 0, LENGTH_MAX);
    const data = this.#backend.receive(this.#fd, maxBytes);
    if (typeof data === "number") throw errorOf(this.#backend, data, "recv");
    this.#bytesIn += data.length;
    return data;
  }

  /** Receives into `target`. @returns how many bytes, 0 at end of input. */
  recvInto(target: Uint8Array): number {
    checkBytes("target", target);
    const length = this.#check(this.#backend.recv(this.#fd, target, target.length), "recv");
    this.#bytesIn += length;
    return length;
  }

  /** Receives the urgent byte (MSG_OOB). */
  recvOutOfBand(): Uint8Array {
    const target = new Uint8Array(1);
    return target.subarray(0, this.#check(this.#backend.recvOutOfBand(this.#fd, target), "recv"));
  }

  /** Receives one datagram; what is longer than `maxBytes` is cut. */
  recvFrom(maxBytes: number): Datagram {
    checkInteger("maxBytes", maxBytes, 0, LENGTH_MAX);
    const { scratch } = this.#backend;
    const target = maxBytes <= scratch.length ? scratch.subarray(0, maxBytes) : new Uint8Array(maxBytes);
    const received = this.#backend.recvFrom(this.#fd, target);
    if (typeof received === "number") throw errorOf(this.#backend, received, "recvfrom");
    this.#bytesIn += received.length;
    return { data: copyOf(target, received.length), address: received.address };
  }

  /** Sends. @returns how many bytes were taken: perhaps not all. */
  send(data: Uint8Array): number {
    checkBytes("data", data);
    const length = this.#check(this.#backend.send(this.#fd, data), "send");
    this.#bytesOut += length;
    return length;
  }

  /** The same, with 0 where it would have to wait: what a full send buffer answers is no exception. */
  sendSome(data: Uint8Array): number {
    checkBytes("data", data);
    return this.#sent(this.#backend.send(this.#fd, data));
  }

  /** Sends several pieces in one call, as {@link sendSome}. */
  sendSomeOf(pieces: readonly Uint8Array[]): number {
    return this.#sent(this.#backend.sendVector(this.#fd, pieces));
  }

  /** Sends the last byte of `data` as urgent (MSG_OOB). */
  sendOutOfBand(data: Uint8Array): number {
    checkBytes("data", data);
    const length = this.#check(this.#backend.sendOutOfBand(this.#fd, data), "send");
    this.#bytesOut += length;
    return length;
  }

  /** Sends one datagram; a host name is looked up, blocking. */
  sendTo(data: Uint8Array, address: SocketAddress): number {
    checkBytes("data", data);
    checkAddress("address", address);
    const length = this.#check(this.#backend.sendTo(this.#fd, data, this.#numeric(address)), "sendto", address);
    this.#bytesOut += length;
    return length;
  }

  /** Ends one half of a connection, or both. */
  shutdown(how: ShutdownHow): void {
    checkOneOf("how", how, HOWS);
    this.#check(this.#backend.shutdown(this.#fd, how), "shutdown");
  }

  getOption(option: SocketOption): number {
    checkOneOf("option", option, OPTIONS);
    const value = this.#backend.getOption(this.#fd, option);
    // SO_LINGER alone has a value below zero: switched off.
    if (option === "SO_LINGER" && value === -1) return value;
    return this.#check(value, "getsockopt");
  }

  setOption(option: SocketOption, value: number): void {
    checkOneOf("option", option, OPTIONS);
    checkInteger("value", value, -1, LENGTH_MAX);
    this.#check(this.#backend.setOption(this.#fd, option, value), "setsockopt");
  }

  /** Where the socket is bound. getsockname(2). */
  localAddress(): SocketAddress {
    const address = this.#backend.localAddress(this.#fd);
    if (typeof address === "number") throw errorOf(this.#backend, address, "getsockname");
    return address;
  }

  /** Whom it is connected to. getpeername(2). */
  remoteAddress(): SocketAddress {
    const address = this.#backend.remoteAddress(this.#fd);
    if (typeof address === "number") throw errorOf(this.#backend, address, "getpeername");
    return address;
  }

  /** Closes the descriptor; safe to call again. */
  close(): void {
    const fd = this.#fd;
    if (fd < 0) return;
    this.#fd = -1;
    forgetOwner(this);
    this.#check(this.#backend.close(fd), "close");
  }

  /**
   * Gives the descriptor away: closing it is the caller's business from then on.
   * @throws OSError EBUSY where `recv` has taken a part only of what was read ahead: it is to be received first
   */
  detach(): number {
    const fd = this.#fd;
    if (fd >= 0) this.#check(this.#backend.giveAway?.(fd) ?? 0, "detach");
    this.#fd = -1;
    forgetOwner(this);
    return fd;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #sent(length: number): number {
    if (length < 0) {
      const error = errorOf(this.#backend, length, "send");
      if (error instanceof BlockingIOError) return 0;
      throw error;
    }
    this.#bytesOut += length;
    return length;
  }

  #check(result: number, syscall: string, address?: SocketAddress): number {
    if (result < 0) throw errorOf(this.#backend, result, syscall, address);
    return result;
  }

  #numeric(address: SocketAddress): SocketAddress {
    if (address.path !== undefined || this.#backend.isNumeric(address.host) !== 0) return address;
    const family = this.family === "IPv6" ? 6 : 4;
    // Python's bind(("", port)): every address of the machine.
    if (address.host === "") return { host: family === 6 ? "::" : "0.0.0.0", port: address.port };
    return { host: this.#backend.lookupSync(address.host, family), port: address.port };
  }
}

/** The error for a negative result of a backend. */
export function errorOf(backend: Backend, errno: number, syscall: string, address?: SocketAddress): OSError {
  const code = backend.errorCode(errno);
  const details: OSErrorDetails = { errno, syscall, address: address?.host, port: address?.port, path: address?.path };
  return code === "EAGAIN" || code === "EWOULDBLOCK" ? new BlockingIOError(code, details) : new OSError(code, details);
}
