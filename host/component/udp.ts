/**
 * Owns UDP sockets of a component and their streams of datagrams: the states of `wasi:sockets/udp`. Knows the backend seam; knows no
 * layout.
 */

import { type InetAddress, Ready } from "../backend/backend.js";
import {
  type AddressFamily,
  failureOf,
  inetOf,
  INVALID_ARGUMENT,
  INVALID_STATE,
  isOfFamily,
  isRemote,
  NOT_IN_PROGRESS,
  type SocketFailure,
} from "./network.js";
import { type Source, Watch } from "./watch.js";
import { Resource } from "./resources.js";
import type { SocketWorld } from "./socket-world.js";
import { Trap } from "./trap.js";

const DATAGRAM_MAX = 65_535;
/** How many datagrams check-send permits. */
const PERMITTED = 16;
/** How many one call returns, whatever was asked for: their memory is the host's until they are written. */
const RECEIVED_MAX = 64;

type State = "default" | "bind-started" | "bound";

export interface Incoming {
  readonly data: Uint8Array;
  readonly from: InetAddress;
}

export interface Outgoing {
  readonly data: Uint8Array;
  readonly to: InetAddress | undefined;
}

export class UdpSocket extends Resource implements Source {
  readonly family: AddressFamily;
  readonly interest = 0;
  readonly deadlineNs = Infinity;
  readonly watch = undefined;
  readonly world: SocketWorld;
  #fd: number;
  #watched: Watch;
  #state: State = "default";
  /** The host of the address that it was bound to; undefined where the system has chosen it. */
  #boundHost: string | undefined;
  #remote: InetAddress | undefined;
  #streams = 0;

  constructor(world: SocketWorld, fd: number, family: AddressFamily) {
    super(undefined);
    this.world = world;
    this.family = family;
    this.#fd = fd;
    this.#watched = new Watch(fd);
  }

  /** Nothing of a socket waits: its streams do. */
  isImmediate(): boolean {
    return true;
  }

  get fd(): number {
    return this.#fd;
  }

  get watched(): Watch {
    return this.#watched;
  }

  startBind(address: InetAddress): SocketFailure | undefined {
    if (this.#state !== "default") return INVALID_STATE;
    if (!isOfFamily(address.host, this.family)) return INVALID_ARGUMENT;
    const failed = this.world.bindDatagram(this.#fd, address);
    if (failed !== undefined) return failed;
    this.#state = "bind-started";
    this.#boundHost = address.host;
    return undefined;
  }

  finishBind(): SocketFailure | undefined {
    if (this.#state !== "bind-started") return NOT_IN_PROGRESS;
    this.#state = "bound";
    return undefined;
  }

  /** @throws Trap while the streams of an earlier call are there */
  stream(remote: InetAddress | undefined): readonly [IncomingStream, OutgoingStream] | SocketFailure {
    if (this.#streams > 0) throw new Trap("the streams of a socket are dropped before it makes others");
    if (this.#state !== "bound") return INVALID_STATE;
    const failed = this.#remote === undefined ? undefined : this.disconnect();
    if (failed !== undefined) return failed;
    const refused = remote === undefined ? undefined : this.connect(remote);
    if (refused !== undefined) return refused;
    this.#streams = 2;
    const dropped = (): void => void (this.#streams -= 1);
    return [new IncomingStream(this, dropped), new OutgoingStream(this, dropped)];
  }

  localAddress(): InetAddress | SocketFailure {
    if (this.#state !== "bound") return INVALID_STATE;
    const address = this.world.backend.localAddress(this.#fd);
    return typeof address === "number" ? this.world.failure(address) : inetOf(address);
  }

  remoteAddress(): InetAddress | SocketFailure {
    return this.#remote ?? INVALID_STATE;
  }

  override release(): void {
    this.world.poller.forget(this.#watched);
    this.world.backend.close(this.#fd);
  }

  /** To this address alone from now on. One that is not bound yet is bound by that. */
  connect(remote: InetAddress): SocketFailure | undefined {
    if (!isOfFamily(remote.host, this.family) || !isRemote(remote)) return INVALID_ARGUMENT;
    const refused = this.world.mayConnect(remote);
    if (refused !== undefined) return refused;
    const failed = this.#remote === undefined ? undefined : this.disconnect();
    if (failed !== undefined) return failed;
    const result = this.world.backend.connect(this.#fd, remote);
    if (result < 0) return this.world.failure(result);
    this.#state = "bound";
    this.#remote = remote;
    return undefined;
  }

  /** The backend has no call for it: another socket takes the place of this one, at the same port. */
  disconnect(): SocketFailure | undefined {
    if (this.#remote === undefined) return INVALID_STATE;
    const { backend, poller } = this.world;
    const address = this.localAddress();
    if (!("host" in address)) return address;
    const fd = this.world.open(this.family, "dgram");
    if (typeof fd !== "number") return fd;
    const watched = new Watch(fd);
    poller.forget(this.#watched, watched);
    backend.close(this.#fd);
    this.#fd = fd;
    this.#watched = watched;
    this.#remote = undefined;
    const host = this.#boundHost ?? (this.family === "ipv4" ? "0.0.0.0" : "::");
    return this.world.bindDatagram(fd, { host, port: address.port });
  }

  get isBound(): boolean {
    return this.#state === "bound";
  }

  /** Up to `max` datagrams, none where none has arrived. */
  receive(max: number): readonly Incoming[] | SocketFailure {
    const { backend } = this.world;
    const found: Incoming[] = [];
    while (found.length < max) {
      const datagram = backend.receiveFrom(this.#fd, DATAGRAM_MAX);
      if (typeof datagram === "number") {
        // A wait takes a pending error from the socket.
        const code = backend.errorCode(datagram);
        if (found.length > 0) break;
        const pending = this.#watched.takeError();
        if (code !== "EAGAIN" && code !== "EWOULDBLOCK") return failureOf(code);
        return pending === 0 ? found : this.world.failure(pending);
      }
      const from = inetOf(datagram.address);
      if (this.#remote === undefined || isSame(from, this.#remote)) found.push({ data: datagram.data, from });
    }
    return found;
  }

  /** Sends one datagram, all of it. One that is not bound yet is bound by that. */
  send({ data, to }: Outgoing): SocketFailure | undefined {
    if (data.length > DATAGRAM_MAX) return failureOf("EMSGSIZE");
    const { world, family } = this;
    if (this.#remote !== undefined) {
      if (to !== undefined && !isSame(to, this.#remote)) return INVALID_ARGUMENT;
      return this.#outcome(world.backend.send(this.#fd, data));
    }
    if (to === undefined || !isRemote(to) || !isOfFamily(to.host, family)) return INVALID_ARGUMENT;
    const failed = world.mayConnect(to) ?? this.#outcome(world.backend.sendTo(this.#fd, data, to));
    if (failed === undefined) this.#state = "bound";
    return failed;
  }

  #outcome(result: number): SocketFailure | undefined {
    return result < 0 ? this.world.failure(result) : undefined;
  }
}

abstract class DatagramStream extends Resource implements Source {
  abstract readonly interest: number;
  readonly deadlineNs = Infinity;
  protected readonly socket: UdpSocket;
  readonly #dropped: () => void;

  constructor(socket: UdpSocket, dropped: () => void) {
    super(socket);
    this.socket = socket;
    this.#dropped = dropped;
  }

  get watch(): Watch {
    return this.socket.watched;
  }

  isImmediate(): boolean {
    return false;
  }

  override release(): void {
    this.#dropped();
  }
}

export class IncomingStream extends DatagramStream {
  readonly interest = Ready.READ;

  receive(max: number): readonly Incoming[] | SocketFailure {
    return this.socket.receive(Math.min(max, RECEIVED_MAX));
  }
}

export class OutgoingStream extends DatagramStream {
  readonly interest = Ready.WRITE;
  #permitted: number | undefined;
  /** The kernel has refused the last datagram. */
  #isFull = false;

  override isImmediate(): boolean {
    return !this.#isFull;
  }

  check(): number {
    if (this.#isFull && !this.socket.world.poller.isReady(this.#writable)) return 0;
    this.#isFull = false;
    this.#permitted ??= PERMITTED;
    return this.#permitted;
  }

  /** @returns how many were sent @throws Trap for more than {@link check} has permitted */
  send(datagrams: readonly Outgoing[]): number | SocketFailure {
    if (this.#permitted === undefined || datagrams.length > this.#permitted)
      throw new Trap("it sent more datagrams than check-send has permitted");
    this.#permitted = undefined;
    let sent = 0;
    for (const datagram of datagrams) {
      const failed = this.socket.send(datagram);
      if (failed === undefined) {
        sent += 1;
        continue;
      }
      if (sent > 0) break;
      if (failed.error !== "would-block") return failed;
      this.#isFull = true;
      break;
    }
    return sent;
  }

  readonly #writable: Source = {
    interest: Ready.WRITE,
    deadlineNs: Infinity,
    watch: this.socket.watched,
    isImmediate: () => false,
  };
}

function isSame(a: InetAddress, b: InetAddress): boolean {
  return a.host === b.host && a.port === b.port;
}
