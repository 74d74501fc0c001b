/** Owns TCP: ports, the handshake, and what becomes of a connect that nobody answers. Knows streams; knows no descriptor. */

import type { InetAddress, SocketAddress } from "../backend/backend.js";
import {
  ANY_4,
  ANY_6,
  type Endpoint,
  fits,
  ipOf,
  isAny,
  isMulticast,
  LOOPBACK_4,
  LOOPBACK_6,
  shown,
  textOf,
} from "./addresses.js";
import { E } from "./file.js";
import { Lane } from "./network.js";
import type { Bound } from "./ports.js";
import { StreamSocket } from "./stream-socket.js";
import type { Surroundings } from "./surroundings.js";
import { Trace } from "./trace.js";

const NS_PER_S = 1e9;
/** When a connect without an answer is tried again, and when it has timed out: Linux's tcp_syn_retries. */
const RETRIES_S = [1, 3, 7, 15, 31, 63];
const TIMEOUT_S = 127;
/** After so long, Linux gives up on an address of the local network that no host has. */
const UNREACHABLE_S = 3;

export class TcpSocket extends StreamSocket implements Bound {
  bound: Endpoint | undefined;
  #isBoundToPort = false;
  remote: Endpoint | undefined;
  /** Counts connects: an answer to an earlier one is dropped. */
  #attempt = 0;

  #isPortAsked = false;
  /** Its connect has failed: it still has the address, but may be bound again. */
  #hasNoPort = false;
  /** A connect that has come to its end says so to the next call of connect, once: as in Linux. */
  #isPending = false;

  get isDual(): boolean {
    return this.family === "IPv6" && !this.options.isOn("IPV6_V6ONLY");
  }

  get sharesAddress(): boolean {
    return this.options.isOn("SO_REUSEADDR");
  }

  get sharesPort(): boolean {
    return this.options.isOn("SO_REUSEPORT");
  }

  get localAddress(): SocketAddress {
    return shown(this.bound ?? { ip: this.#any, port: 0 }, this.family);
  }

  get remoteAddress(): SocketAddress | undefined {
    return this.remote !== undefined && this.state === "connected" && !this.isDead
      ? shown(this.remote, this.family)
      : undefined;
  }

  get #any(): typeof ANY_4 {
    return this.family === "IPv4" ? ANY_4 : ANY_6;
  }

  bind(address: SocketAddress): number {
    const endpoint = endpointOf(address, this.family);
    if (typeof endpoint === "number") return endpoint;
    if (this.bound !== undefined && !this.#hasNoPort) return -E.EINVAL;
    if (!isAny(endpoint.ip) && !this.around.owns(endpoint.ip)) return -E.EADDRNOTAVAIL;
    const port = this.around.streams.bind(this, endpoint.ip, endpoint.port);
    if (port < 0) return port;
    this.bound = { ip: endpoint.ip, port };
    this.#isBoundToPort = true;
    this.#isPortAsked = endpoint.port !== 0;
    this.#hasNoPort = false;
    return 0;
  }

  protected prepareListen(): number {
    // A connect has failed, and nobody has asked why.
    if (this.#isPending) return -E.EINVAL;
    if (this.bound !== undefined && !this.#hasNoPort) {
      const found = this.around.streams.at(this.bound.ip, this.bound.port);
      const isTaken = found.some((each) => each !== this && each.isListening && !(this.sharesPort && each.sharesPort));
      return isTaken && this.state !== "listening" ? -E.EADDRINUSE : 0;
    }
    return this.bind({ host: this.#any.text, port: 0 });
  }

  override listen(backlog: number): number {
    const result = super.listen(backlog);
    if (result === 0 && this.bound !== undefined) this.around.opened?.("stream", this.bound);
    return result;
  }

  protected unbind(): void {
    if (this.#isBoundToPort) this.around.streams.unbind(this);
    this.#isBoundToPort = false;
  }

  connect(address: SocketAddress): number {
    if (this.state === "connecting") return -E.EALREADY;
    if (this.#isPending) {
      this.#isPending = false;
      return this.isDead ? this.#disconnect() : 0;
    }
    if (this.state === "connected" && !this.isDead) return -E.EISCONN;
    if (this.state === "listening") return -E.EISCONN;
    if (this.error !== 0) return this.takeError();
    const to = endpointOf(address, this.family);
    if (typeof to === "number") return to;
    const { around } = this;
    if (isMulticast(to.ip) || to.ip.text === "255.255.255.255") return -E.ENETUNREACH;
    const ip = isAny(to.ip) ? (to.ip.version === 6 ? LOOPBACK_6 : LOOPBACK_4) : to.ip;
    const source = around.sourceFor(ip);
    if (source === undefined) return -E.ENETUNREACH;
    const former = this.#hasNoPort ? undefined : this.bound;
    const port = former?.port ?? around.streams.free();
    if (port < 0) return -E.EADDRNOTAVAIL;
    const from = former === undefined || isAny(former.ip) ? source : former.ip;
    if (this.#isBoundToPort && this.bound !== undefined && isAny(this.bound.ip)) {
      this.unbind();
      around.streams.bind(this, from, port);
      this.#isBoundToPort = true;
    }
    this.bound = { ip: from, port };
    this.remote = { ip, port: to.port };
    this.#hasNoPort = false;
    this.state = "connecting";
    this.#isPending = true;
    this.isDead = false;
    this.isWriteShut = false;
    this.#begin();
    return -E.EINPROGRESS;
  }

  override shutdown(how: "read" | "write" | "both"): number {
    // One that is shut down is known to be connected.
    if (this.state === "connected") this.#isPending = false;
    return super.shutdown(how);
  }

  /** Whoever has heard that it failed may connect again. @returns why it failed */
  #disconnect(): number {
    const error = this.takeError() || -E.ECONNABORTED;
    this.state = "idle";
    this.isDead = false;
    this.isWriteShut = false;
    return error;
  }

  #begin(): void {
    const { around } = this;
    const { faults, network } = around;
    const attempt = ++this.#attempt;
    const startNs = around.nowNs;
    const where = textOf(this.remote === undefined ? undefined : shown(this.remote, this.family));
    around.trace.add(Trace.CONNECT, startNs, around.index, this.remote?.port ?? 0);
    const isOver = (): boolean => attempt !== this.#attempt || this.state !== "connecting" || this.isClosed;
    const later = (seconds: number, run: () => void): void => {
      network.timeline.plan(startNs + seconds * NS_PER_S, run);
    };
    const giveUp = (error: number): void => {
      if (!isOver()) this.#fail(error);
    };
    if (faults.hits("connect-timeout", around.address, where)) {
      later(TIMEOUT_S, () => giveUp(-E.ETIMEDOUT));
      return;
    }
    const isRefused = faults.hits("refuse", around.address, where);
    const server = this.remote === undefined ? undefined : around.hostAt(this.remote.ip, this.remote.port);
    if (server === undefined) {
      later(UNREACHABLE_S, () => giveUp(-E.EHOSTUNREACH));
      return;
    }
    /** The server's end, whose answer may be lost. */
    let accepted: TcpSocket | undefined;
    let retries = 0;
    const again = (): void => {
      const seconds = RETRIES_S[retries++];
      if (seconds !== undefined) return later(seconds, () => (accepted === undefined ? knock() : answer(accepted)));
      later(TIMEOUT_S, () => {
        accepted?.fail(-E.ETIMEDOUT);
        giveUp(-E.ETIMEDOUT);
      });
    };
    /** Carries one packet, and calls back when it has arrived; or all begins again. */
    const carry = (from: Surroundings, to: Surroundings, arrive: () => void): void => {
      if (!network.passes(from, to)) return again();
      const atNs = network.arrivalNs(from, to, 0);
      if (atNs <= around.nowNs) return arrive();
      network.timeline.plan(atNs, () => (network.passes(from, to) ? arrive() : again()));
    };
    const knock = (): void => {
      if (isOver()) return;
      carry(around, server, () => {
        if (isOver()) return;
        const found = isRefused ? "refused" : this.#knock(server);
        if (found === "full") again();
        else if (found === "refused") carry(server, around, () => giveUp(-E.ECONNREFUSED));
        else answer((accepted = found));
      });
    };
    const answer = (socket: TcpSocket): void => {
      if (socket.isLost) {
        accepted = undefined;
        return knock();
      }
      carry(server, around, () => {
        if (!isOver()) this.#established(socket);
        // It was closed meanwhile, or its host crashed.
        else if (!socket.isDead) socket.fail(-E.ECONNRESET);
      });
    };
    knock();
  }

  /** The connect has reached the other host. */
  #knock(server: Surroundings): TcpSocket | "full" | "refused" {
    const { remote, bound } = this;
    if (remote === undefined || bound === undefined) return "refused";
    const listening = server.streams.at(remote.ip, remote.port).filter((each) => each.isListening);
    const listener = server.streams.chosen(listening) as TcpSocket | undefined;
    if (listener === undefined) return "refused";
    if (listener.isFull) return "full";
    const socket = new TcpSocket(server, listener.family as "IPv4" | "IPv6", listener.sendBytes, listener.receiveBytes);
    socket.options.inherit(listener.options);
    socket.isInline = listener.isInline;
    socket.lowWater = listener.lowWater;
    socket.bound = { ip: remote.ip, port: remote.port };
    socket.remote = bound;
    socket.state = "connected";
    socket.peer = this;
    socket.lane = new Lane(server.network, server, this.around, () => socket.fail(-E.ETIMEDOUT));
    server.trace.add(Trace.ACCEPT, server.nowNs, server.index, remote.port);
    listener.offer(socket);
    return socket;
  }

  #established(server: TcpSocket): void {
    this.peer = server;
    this.lane = new Lane(this.around.network, this.around, server.around, () => this.fail(-E.ETIMEDOUT));
    this.state = "connected";
    this.changed();
  }

  #fail(error: number): void {
    this.state = "idle";
    // A port that it did not ask for is given back.
    this.#hasNoPort = !this.#isPortAsked;
    if (this.#hasNoPort) this.unbind();
    this.fail(error);
  }

  override fail(error: number): void {
    if (this.state === "connecting") this.state = "connected";
    super.fail(error);
  }

  sendFiles(data: Uint8Array, files: readonly unknown[]): number {
    return files.length > 0 ? -E.EINVAL : this.send(data);
  }
}

/** @returns -EINVAL for what is no numeric address, -EAFNOSUPPORT for an IPv6 address that is to be an IPv4 socket's; the other one is too short */
export function endpointOf(address: SocketAddress, family: "IPv4" | "IPv6" | "unix"): Endpoint | number {
  if (address.path !== undefined) return -E.EAFNOSUPPORT;
  const { host, port } = address as InetAddress;
  const ip = ipOf(host);
  if (ip === undefined || !Number.isInteger(port) || port < 0 || port > 65_535) return -E.EINVAL;
  if (fits(ip, address, family)) return { ip, port };
  return family === "IPv6" ? -E.EINVAL : -E.EAFNOSUPPORT;
}
