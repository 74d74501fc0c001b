/**
 * Owns a wrapper of a backend that gives a guest the sockets whose TLS the host terminates as if they were TCP sockets
 * without TLS: a listening socket that is a queue of connections, and connections that are Unix sockets to the host. Knows
 * links; knows no TLS.
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
import { HANDED_BYTES, Links, readHanded } from "./links.js";

const ENOTCONN = -constants.errno.ENOTCONN;
const EAGAIN = -constants.errno.EAGAIN;
const ECONNRESET = -constants.errno.ECONNRESET;
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

export class GuestSockets extends ForwardingBackend {
  readonly #queues = new Map<number, Queue>();
  readonly #ends = new Map<number, End>();
  readonly #record = new Uint8Array(HANDED_BYTES);

  constructor(inner: Backend, listeners: readonly { readonly fd: number; readonly tls?: LentTls | undefined }[]) {
    super(inner);
    for (const { fd, tls } of listeners) {
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

  override close(fd: number): number {
    const end = this.#ends.get(fd);
    if (end !== undefined) {
      this.#ends.delete(fd);
      end.links.close(end.link, end.linger.on && end.linger.seconds === 0);
    }
    return this.inner.close(fd);
  }

  override setLinger(fd: number, linger: Linger): number {
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
    return this.#ends.get(fd)?.remote ?? this.inner.remoteAddress(fd);
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
