/** Owns TCP: ports, the handshake, and what becomes of a connect that nobody answers. Knows streams; knows no descriptor. */

import type { SocketAddress } from "../backend/backend.js";
import { ANY_4, ANY_6, type Endpoint, isAny, isMulticast, isSameEndpoint, shown, textOf } from "./addresses.js";
import { bindRefusal, destinationOf, endpointOf, hasBound } from "./endpoints.js";
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
  /** It stays when the port is given back. */
  bound: Endpoint | undefined;
  #hasPort = false;
  remote: Endpoint | undefined;
  /** Counts connects: an answer to an earlier one is dropped. */
  #attempt = 0;

  #isPortAsked = false;
  #isAddressAsked = false;
  /** A connect that has come to its end says so to the next call of connect, once: as in Linux. */
  #isPending = false;
  /** Shut down when its connect had failed and nobody had asked why. As in Linux, it can neither connect nor listen again. */
  #isSpoilt = false;

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

  /** May it not be bound? */
  get isBound(): boolean {
    return this.#hasPort || (this.state !== "idle" && !this.isDead);
  }

  bind(address: SocketAddress): number {
    const endpoint = endpointOf(address, this.family);
    if (typeof endpoint === "number") return endpoint;
    const refused = bindRefusal(this, endpoint.ip, isAny(endpoint.ip) || this.around.owns(endpoint.ip));
    if (refused < 0) return refused;
    const port = this.around.streams.bind(this, endpoint.ip, endpoint.port);
    if (port < 0) return port;
    this.bound = { ip: endpoint.ip, port };
    this.#hasPort = true;
    this.#isPortAsked = endpoint.port !== 0;
    this.#isAddressAsked = hasBound(this, endpoint.ip);
    return 0;
  }

  protected prepareListen(): number {
    // A connect has failed, and nobody has asked why.
    if (this.#isPending || this.#isSpoilt) return -E.EINVAL;
    if (this.#hasPort) return this.state !== "listening" && this.around.streams.isTaken(this) ? -E.EADDRINUSE : 0;
    const { ip } = this.bound ?? { ip: this.#any };
    const port = this.around.streams.bind(this, ip, 0);
    if (port < 0) return port;
    this.bound = { ip, port };
    this.#hasPort = true;
    return 0;
  }

  override listen(backlog: number): number {
    const result = super.listen(backlog);
    if (result === 0 && this.bound !== undefined) this.around.opened?.("stream", this.bound);
    return result;
  }

  protected unbind(): void {
    if (this.#hasPort) this.around.streams.unbind(this);
    this.#hasPort = false;
  }

  /** As in Linux: one that is no longer connected, nor listens, gives back a port that it did not ask for. */
  #leavePort(): void {
    if (!this.#isPortAsked) this.unbind();
  }

  protected override stoppedListening(): void {
    this.#leavePort();
    this.#reset();
  }

  #reset(): void {
    this.state = "idle";
    this.isDead = false;
    this.isReadShut = false;
    this.isWriteShut = false;
    if (this.bound !== undefined && !this.#isAddressAsked) this.bound = { ip: this.#any, port: this.bound.port };
  }

  connect(address: SocketAddress): number {
    if (this.state === "connecting") return -E.EALREADY;
    if (this.#isSpoilt) return -E.EINVAL;
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
    const ip = destinationOf(this, to.ip);
    if (typeof ip === "number") return ip;
    const source = around.sourceFor(ip);
    if (source === undefined) return -E.ENETUNREACH;
    const former = this.bound;
    const port = this.#hasPort && former !== undefined ? former.port : around.streams.free();
    if (port < 0) return -E.EADDRNOTAVAIL;
    this.bound = { ip: former === undefined || isAny(former.ip) ? source : former.ip, port };
    this.#holdPort();
    this.remote = { ip, port: to.port };
    this.state = "connecting";
    this.#isPending = true;
    this.isDead = false;
    this.#begin();
    return -E.EINPROGRESS;
  }

  /** The port is a connection's. */
  #holdPort(): void {
    if (!this.#hasPort) this.around.streams.hold(this);
    this.#hasPort = true;
  }

  override shutdown(how: "read" | "write" | "both"): number {
    // One that is shut down is known to be connected.
    if (this.state === "connected") this.#isPending = false;
    if (this.state === "idle" && this.#isPending) this.#isSpoilt = true;
    if (this.state !== "connecting") return super.shutdown(how);
    // As in Linux, a connect that is under way is over.
    this.#isPending = false;
    this.#leavePort();
    this.#reset();
    this.error = -E.ECONNRESET;
    this.changed();
    return 0;
  }

  /** Whoever has heard that it failed may connect again. @returns why it failed */
  #disconnect(): number {
    const error = this.takeError() || -E.ECONNABORTED;
    this.#reset();
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
    // As in Linux, one may connect to itself.
    if (listener === undefined) return server === this.around && isSameEndpoint(remote, bound) ? this : "refused";
    if (listener.isFull) return "full";
    const socket = new TcpSocket(server, listener.family as "IPv4" | "IPv6", listener.sendBytes, listener.receiveBytes);
    socket.options.inherit(listener.options);
    socket.isInline = listener.isInline;
    socket.lowWater = listener.lowWater;
    socket.bound = { ip: remote.ip, port: remote.port };
    socket.remote = bound;
    socket.#holdPort();
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
    this.fail(error);
  }

  override fail(error: number): void {
    if (this.state === "connecting") this.state = "connected";
    this.#leavePort();
    super.fail(error);
  }

  sendFiles(data: Uint8Array, files: readonly unknown[]): number {
    return files.length > 0 ? -E.EINVAL : this.send(data);
  }
}
