/**
 * Owns a wrapper of a backend that gives a guest the sockets whose TLS the host terminates as if they were TCP sockets
 * without TLS: a listening socket that is a queue of connections, accepted connections that are Unix sockets to the host,
 * and connections to rules with TLS, which lead to a port of the host. Knows links; knows no TLS.
 */

import { constants } from "node:os";
import type {
  Accepted,
  Backend,
  Datagram,
  Family,
  IntegerOption,
  Linger,
  PassedDescriptors,
  Received,
  ShutdownHow,
  SocketAddress,
} from "../../backend/backend.js";
import { ForwardingBackend } from "../policy/forwarding.js";
import { ruleFinder } from "../policy/grants.js";
import type { AddressRule } from "../policy/types.js";
import type { Announced, LentConnector } from "./connector.js";
import { HANDED_BYTES, Links, readHanded } from "./links.js";

const ENOTCONN = -constants.errno.ENOTCONN;
const EAGAIN = -constants.errno.EAGAIN;
const ECONNRESET = -constants.errno.ECONNRESET;
const EINPROGRESS = -constants.errno.EINPROGRESS;
const ENOBUFS = -constants.errno.ENOBUFS;
const ENOPROTOOPT = -constants.errno.ENOPROTOOPT;
const WAKE = Uint8Array.of(1);

/** What a listening socket with TLS is to the guest: its descriptor is the reading end of the queue. */
export interface LentTls {
  readonly linkMemory: SharedArrayBuffer;
  /** Of the listening socket itself. */
  readonly address: SocketAddress;
  readonly family: Family;
}

interface Queue {
  readonly links: Links;
  readonly address: SocketAddress;
  readonly family: Family;
}

/** The guest's end of a connection. */
interface End {
  readonly links: Links;
  readonly link: number;
  readonly family: Family;
  /** undefined: that of the socket itself. */
  readonly local: SocketAddress | undefined;
  readonly remote: SocketAddress;
  /** Of TCP and IP, which a Unix socket does not have. They are remembered, and have no effect. */
  readonly options: Map<IntegerOption, number>;
  /** SO_LINGER as the guest has set it. */
  linger: Linger;
}

const NO_LINGER: Linger = { on: false, seconds: 0 };

/** A socket that is connected to the host in the place of where the guest connects to. It is a TCP socket of its own. */
interface Outgoing {
  readonly link: number;
  readonly remote: SocketAddress;
  /** The host's port. */
  readonly to: SocketAddress;
  resets: boolean;
}

export interface GuestSocketsOptions {
  readonly listeners: readonly { readonly fd: number; readonly tls?: LentTls | undefined }[];
  readonly connect: readonly AddressRule[];
  readonly connector: LentConnector | undefined;
  /** Called before a socket is connected to the host. */
  readonly onConnect: (announced: Announced) => void;
}

export class GuestSockets extends ForwardingBackend {
  readonly #options: GuestSocketsOptions;
  readonly #ruleOf: (address: SocketAddress) => number;
  /** Of connections that the guest makes. */
  readonly #links: Links | undefined;
  readonly #outgoing = new Map<number, Outgoing>();
  readonly #queues = new Map<number, Queue>();
  readonly #ends = new Map<number, End>();
  readonly #record = new Uint8Array(HANDED_BYTES);

  constructor(inner: Backend, options: GuestSocketsOptions) {
    super(inner);
    this.#options = options;
    const { connector } = options;
    this.#links = connector === undefined ? undefined : new Links(connector.linkMemory);
    this.#ruleOf = ruleFinder("connect", options.connect);
    for (const { fd, tls } of options.listeners) {
      if (tls === undefined) continue;
      this.#queues.set(fd, { links: new Links(tls.linkMemory), address: tls.address, family: tls.family });
    }
  }

  override accept(fd: number): Accepted | number {
    const queue = this.#queues.get(fd);
    if (queue === undefined) return this.inner.accept(fd);
    const length = this.inner.recv(fd, this.#record);
    if (length !== HANDED_BYTES) return length < 0 ? length : EAGAIN;
    const { fd: end, link, address } = readHanded(this.#record);
    queue.links.countTaken();
    this.inner.adopt(end);
    // The host looks at the count when it can read something; a full socket wakes it as well.
    this.inner.send(fd, WAKE);
    this.#ends.set(end, {
      ...{ links: queue.links, link, family: queue.family, local: queue.address, remote: address },
      options: new Map(),
      linger: NO_LINGER,
    });
    return { fd: end, address };
  }

  override connect(fd: number, address: SocketAddress): number {
    const before = this.#outgoing.get(fd);
    if (before !== undefined) return this.inner.connect(fd, before.to);
    const rule = this.#links === undefined ? -1 : this.#ruleOf(address);
    const isWrapped = this.#options.connect[rule]?.tls !== undefined && this.inner.socketType(fd) === "stream";
    return isWrapped ? this.#connectHost(fd, address, rule) : this.inner.connect(fd, address);
  }

  #connectHost(fd: number, address: SocketAddress, rule: number): number {
    const { connector, onConnect } = this.#options;
    const links = this.#links;
    const family = this.inner.family(fd);
    if (connector === undefined || links === undefined || typeof family === "number") return ENOTCONN;
    const via = family === "IPv6" && connector.IPv6 !== undefined ? "IPv6" : "IPv4";
    const own = via === "IPv6" ? "::1" : "127.0.0.1";
    const host = family === "IPv6" && via === "IPv4" ? `::ffff:${own}` : own;
    let local = this.inner.localAddress(fd);
    if (typeof local !== "number" && local.port === 0) {
      const failed = this.inner.bind(fd, { host, port: 0 });
      if (failed < 0) return failed;
      local = this.inner.localAddress(fd);
    }
    if (typeof local === "number") return local;
    const link = links.make();
    if (link < 0) return ENOBUFS;
    const to = { host, port: connector[via] ?? 0 };
    onConnect({ rule, address, fd, port: local.port ?? 0, via, link });
    const result = this.inner.connect(fd, to);
    const linger = this.inner.getLinger(fd);
    const resets = typeof linger !== "number" && linger.on && linger.seconds === 0;
    if (result === 0 || result === EINPROGRESS) this.#outgoing.set(fd, { link, remote: address, to, resets });
    else links.close(link, false);
    return result;
  }

  override close(fd: number): number {
    const outgoing = this.#outgoing.get(fd);
    if (outgoing !== undefined) {
      this.#outgoing.delete(fd);
      this.#links?.close(outgoing.link, outgoing.resets);
    }
    const end = this.#ends.get(fd);
    if (end !== undefined) {
      this.#ends.delete(fd);
      end.links.close(end.link, end.linger.on && end.linger.seconds === 0);
    }
    return this.inner.close(fd);
  }

  override setLinger(fd: number, linger: Linger): number {
    const outgoing = this.#outgoing.get(fd);
    if (outgoing !== undefined) outgoing.resets = linger.on && linger.seconds === 0;
    const end = this.#ends.get(fd);
    if (end === undefined) return this.inner.setLinger(fd, linger);
    end.linger = linger;
    return 0;
  }

  override getLinger(fd: number): Linger | number {
    return this.#ends.get(fd)?.linger ?? this.inner.getLinger(fd);
  }

  override family(fd: number): Family | number {
    return this.#socket(fd)?.family ?? this.inner.family(fd);
  }

  override localAddress(fd: number): SocketAddress | number {
    return this.#queues.get(fd)?.address ?? this.#ends.get(fd)?.local ?? this.inner.localAddress(fd);
  }

  override remoteAddress(fd: number): SocketAddress | number {
    if (this.#queues.has(fd)) return ENOTCONN;
    const address = this.#ends.get(fd)?.remote ?? this.inner.remoteAddress(fd);
    // As long as it has none, it is not connected.
    return typeof address === "number" ? address : (this.#outgoing.get(fd)?.remote ?? address);
  }

  override listen(fd: number, backlog: number): number {
    return this.#queues.has(fd) ? 0 : this.inner.listen(fd, backlog);
  }

  override getOption(fd: number, option: IntegerOption): number {
    if (option === "SO_ACCEPTCONN" && this.#queues.has(fd)) return 1;
    if (this.#socket(fd) === undefined || option.startsWith("SO_")) return this.inner.getOption(fd, option);
    return this.#ends.get(fd)?.options.get(option) ?? 0;
  }

  override setOption(fd: number, option: IntegerOption, value: number): number {
    if (this.#socket(fd) === undefined || option.startsWith("SO_")) return this.inner.setOption(fd, option, value);
    this.#ends.get(fd)?.options.set(option, Math.trunc(value));
    return 0;
  }

  override peerCredentials(fd: number): ReturnType<Backend["peerCredentials"]> {
    return this.#socket(fd) === undefined ? this.inner.peerCredentials(fd) : ENOPROTOOPT;
  }

  // The queue is no connection, and what is in it is not the guest's. The end of a connection may be a reset.

  override recv(fd: number, target: Uint8Array, length?: number): number {
    if (this.#queues.has(fd)) return ENOTCONN;
    return this.#count(fd, target, length, this.inner.recv(fd, target, length));
  }

  override peek(fd: number, target: Uint8Array, length?: number): number {
    if (this.#queues.has(fd)) return ENOTCONN;
    return this.#count(fd, target, length, this.inner.peek(fd, target, length));
  }

  override read(fd: number, target: Uint8Array, length?: number): number {
    if (this.#queues.has(fd)) return ENOTCONN;
    return this.#count(fd, target, length, this.inner.read(fd, target, length));
  }

  override receive(fd: number, maxBytes: number): Uint8Array | number {
    return this.#queues.has(fd) ? ENOTCONN : this.#bytes(fd, maxBytes, this.inner.receive(fd, maxBytes));
  }

  override readBytes(fd: number, maxBytes: number): Uint8Array | number {
    return this.#queues.has(fd) ? ENOTCONN : this.#bytes(fd, maxBytes, this.inner.readBytes(fd, maxBytes));
  }

  override recvFrom(fd: number, target: Uint8Array, length?: number): Received | number {
    return this.#queues.has(fd) ? ENOTCONN : this.inner.recvFrom(fd, target, length);
  }

  override receiveFrom(fd: number, maxBytes: number): Datagram | number {
    return this.#queues.has(fd) ? ENOTCONN : this.inner.receiveFrom(fd, maxBytes);
  }

  override recvOutOfBand(fd: number, target: Uint8Array): number {
    return this.#queues.has(fd) ? ENOTCONN : this.inner.recvOutOfBand(fd, target);
  }

  override receiveDescriptors(fd: number, maxBytes: number, maxDescriptors: number): PassedDescriptors | number {
    return this.#queues.has(fd) ? ENOTCONN : this.inner.receiveDescriptors(fd, maxBytes, maxDescriptors);
  }

  override send(fd: number, data: Uint8Array): number {
    return this.#queues.has(fd) ? ENOTCONN : this.inner.send(fd, data);
  }

  override write(fd: number, data: Uint8Array): number {
    return this.#queues.has(fd) ? ENOTCONN : this.inner.write(fd, data);
  }

  override sendVector(fd: number, pieces: readonly Uint8Array[]): number {
    return this.#queues.has(fd) ? ENOTCONN : this.inner.sendVector(fd, pieces);
  }

  override sendTo(fd: number, data: Uint8Array, address: SocketAddress): number {
    return this.#queues.has(fd) ? ENOTCONN : this.inner.sendTo(fd, data, address);
  }

  override sendOutOfBand(fd: number, data: Uint8Array): number {
    return this.#queues.has(fd) ? ENOTCONN : this.inner.sendOutOfBand(fd, data);
  }

  override sendDescriptors(fd: number, data: Uint8Array, descriptors: readonly number[]): number {
    return this.#queues.has(fd) ? ENOTCONN : this.inner.sendDescriptors(fd, data, descriptors);
  }

  override shutdown(fd: number, how: ShutdownHow): number {
    return this.#queues.has(fd) ? ENOTCONN : this.inner.shutdown(fd, how);
  }

  /** One of those that TLS is behind. */
  #socket(fd: number): Queue | End | undefined {
    return this.#queues.get(fd) ?? this.#ends.get(fd);
  }

  #count(fd: number, target: Uint8Array, length: number | undefined, result: number): number {
    if (result !== 0 || (length ?? target.length) === 0) return result;
    return this.#isReset(fd) ? ECONNRESET : 0;
  }

  #bytes(fd: number, maxBytes: number, result: Uint8Array | number): Uint8Array | number {
    if (typeof result === "number" || result.length > 0 || maxBytes === 0) return result;
    return this.#isReset(fd) ? ECONNRESET : result;
  }

  #isReset(fd: number): boolean {
    const end = this.#ends.get(fd);
    return end?.links.isResetByPeer(end.link) === true;
  }
}
