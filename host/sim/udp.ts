/** Owns UDP: who gets a datagram, groups, and what a lost or refused one means. Knows no descriptor. */

import { isIPv4 } from "node:net";
import { counted } from "../backend/counted.js";
import type { SocketAddress } from "../backend/backend.js";
import { copyOf, lengthOf } from "../backend/bytes.js";
import { ANY_4, ANY_6, type Endpoint, type Ip, isAny, isMulticast, isSame, shown, textOf } from "./addresses.js";
import { DatagramSocket } from "./datagram-socket.js";
import { bindRefusal, destinationOf, endpointOf, hasBound } from "./endpoints.js";
import { E } from "./file.js";
import type { Bound } from "./ports.js";
import type { Surroundings } from "./surroundings.js";
import { Trace } from "./trace.js";

const BYTES_MAX = 65_507;
/** What a datagram takes of a buffer beside its bytes, about as in Linux. */
const OVERHEAD_BYTES = 256;
const REORDER_MS = 10;
const BROADCAST = "255.255.255.255";

export class UdpSocket extends DatagramSocket implements Bound {
  bound: Endpoint | undefined;
  #remote: Endpoint | undefined;
  readonly #groups = new Set<string>();

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
    return shown(this.bound ?? { ip: this.family === "IPv4" ? ANY_4 : ANY_6, port: 0 }, this.family);
  }

  get remoteAddress(): SocketAddress | undefined {
    // Connected to port 0, it sends to nobody, and has no peer.
    return this.#remote === undefined || this.#remote.port === 0 ? undefined : shown(this.#remote, this.family);
  }

  protected override get isConnected(): boolean {
    return this.#remote !== undefined;
  }

  get isBound(): boolean {
    return this.bound !== undefined;
  }

  bind(address: SocketAddress): number {
    const endpoint = endpointOf(address, this.family);
    if (typeof endpoint === "number") return endpoint;
    const { ip } = endpoint;
    const refused = bindRefusal(this, ip, isAny(ip) || isMulticast(ip) || this.around.owns(ip));
    if (refused < 0) return refused;
    const result = this.#bindTo(endpoint);
    const bound = this.bound as Endpoint | undefined;
    if (bound !== undefined) {
      hasBound(this, ip);
      this.around.opened?.("dgram", bound);
    }
    return result;
  }

  #bindTo({ ip, port: wanted }: Endpoint): number {
    const port = this.around.datagrams.bind(this, ip, wanted);
    if (port < 0) return port;
    this.bound = { ip, port };
    return 0;
  }

  /** An IPv6 socket gets to IPv4 addresses as well, mapped or not. @param refusal of one that is not mapped, as -errno */
  #destinationOf(address: SocketAddress, refusal: number): Endpoint | number {
    const isPlain = this.family === "IPv6" && address.path === undefined && isIPv4(address.host);
    if (isPlain && !this.isDual) return refusal;
    const to = endpointOf(address, isPlain ? "IPv4" : this.family);
    if (typeof to === "number") return to;
    const ip = destinationOf(this, to.ip);
    return typeof ip === "number" ? ip : { ip, port: to.port };
  }

  #bindAny(): number {
    return this.bound === undefined ? this.#bindTo({ ip: this.family === "IPv4" ? ANY_4 : ANY_6, port: 0 }) : 0;
  }

  connect(address: SocketAddress): number {
    // As in Linux, whether or not it is connected, or sends.
    const unbound = this.#bindAny();
    if (unbound < 0) return unbound;
    const to = this.#destinationOf(address, -E.EAFNOSUPPORT);
    if (typeof to === "number") return to;
    const source = this.around.sourceFor(to.ip);
    if (source === undefined) return -E.ENETUNREACH;
    const port = this.bound?.port ?? 0;
    if (this.bound === undefined || isAny(this.bound.ip)) {
      this.around.datagrams.unbind(this);
      this.bound = undefined;
      const failed = this.#bindTo({ ip: source, port });
      if (failed < 0) return failed;
    }
    this.#remote = to;
    return 0;
  }

  setMembership(group: Ip, joins: boolean): number {
    if (joins === this.#groups.has(group.text)) return joins ? -E.EADDRINUSE : -E.EADDRNOTAVAIL;
    if (joins) this.#groups.add(group.text);
    else this.#groups.delete(group.text);
    return 0;
  }

  protected sendWhole(data: Uint8Array): number {
    const failed = this.#bindAny();
    if (failed < 0) return failed;
    return this.#remote === undefined ? -E.EDESTADDRREQ : this.#send(data, this.#remote);
  }

  sendTo(data: Uint8Array, address: SocketAddress): number {
    const failed = this.#bindAny();
    if (failed < 0) return failed;
    const to = this.#destinationOf(address, -E.ENETUNREACH);
    if (typeof to === "number") return to;
    return to.port === 0 ? -E.EINVAL : this.#send(copyOf(data, lengthOf(data)), to);
  }

  sendFiles(data: Uint8Array, files: readonly unknown[]): number {
    return files.length > 0 ? -E.EINVAL : this.send(data);
  }

  #send(data: Uint8Array, { ip, port }: Endpoint): number {
    const refused = this.sending(data.length, BYTES_MAX);
    if (refused < 0) return refused;
    const isBroadcast = ip.text === BROADCAST;
    if (isBroadcast && !this.options.isOn("SO_BROADCAST")) return -E.EACCES;
    const isForMany = isBroadcast || isMulticast(ip);
    const { around } = this;
    const source = around.sourceFor(ip);
    if (source === undefined) return -E.ENETUNREACH;
    const bound = this.bound as Endpoint | undefined;
    const from = { ip: bound === undefined || isAny(bound.ip) ? source : bound.ip, port: bound?.port ?? 0 };
    const to = { ip, port };
    if (isForMany) for (const host of around.all) this.#carry(data, from, to, host);
    else {
      const host = around.hostAt(ip, port);
      if (host !== undefined) this.#carry(data, from, to, host);
    }
    return data.length;
  }

  /** Takes a datagram to another host, or loses it. */
  #carry(data: Uint8Array, from: Endpoint, to: Endpoint, host: Surroundings): void {
    const { around } = this;
    const { network, faults } = around;
    if (host === around) return this.#arrive(data, from, to, host);
    const what = `${counted(data.length, "byte")} to ${textOf(shown(to, this.family))}`;
    if (!network.passes(around, host) || faults.hits("loss", around.address, what)) return;
    const copies = faults.hits("duplicate", around.address, what) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      let atNs = network.arrivalNs(around, host, data.length);
      if (faults.comes("reorder")) {
        const mostMs = faults.setting("reorder")?.ms ?? REORDER_MS;
        const lateNs = faults.random("reorder").below(mostMs * 1e6);
        faults.list("reorder", around.address, `${what}, ${(lateNs / 1e6).toFixed(3)} ms late`);
        atNs += lateNs;
      }
      network.timeline.plan(atNs, () => {
        if (network.passes(around, host)) this.#arrive(data, from, to, host);
      });
    }
  }

  #arrive(data: Uint8Array, from: Endpoint, to: Endpoint, host: Surroundings): void {
    const isForMany = isMulticast(to.ip) || to.ip.text === BROADCAST;
    const takers = host.datagrams
      .at(to.ip, to.port)
      .filter((each): each is UdpSocket => each instanceof UdpSocket && each.#takes(from, to));
    host.trace.add(Trace.DATAGRAM, host.nowNs, host.index, data.length ^ (to.port << 16));
    if (isForMany) {
      for (const socket of takers) {
        // As in Linux, the option is for multicast alone.
        if (host === this.around && isMulticast(to.ip) && !this.#hearsItself) continue;
        socket.#take(copyOf(data, data.length), from);
      }
      return;
    }
    const connected = takers.find((socket) => socket.#remote !== undefined);
    const taker = connected ?? (host.datagrams.chosen(takers) as UdpSocket | undefined);
    if (taker !== undefined) taker.#take(data, from);
    else this.#wasRefused(host, to);
  }

  get #hearsItself(): boolean {
    return this.options.get(this.family === "IPv4" ? "IP_MULTICAST_LOOP" : "IPV6_MULTICAST_LOOP") !== 0;
  }

  #takes(from: Endpoint, to: Endpoint): boolean {
    if (isMulticast(to.ip) && !this.#groups.has(to.ip.text)) return false;
    const remote = this.#remote;
    return remote === undefined || (remote.port === from.port && isSame(remote.ip, from.ip));
  }

  /** What has no room is lost. */
  #take(data: Uint8Array, from: Endpoint): void {
    const bytes = this.unreadBytes + data.length + (this.unread + 1) * OVERHEAD_BYTES;
    if (this.isClosed || (this.unread > 0 && bytes > this.receiveBytes)) return;
    this.deliver({ data, address: shown(from, this.family), files: [] });
  }

  /** Nobody has the port: a sender that is connected to it is notified. */
  #wasRefused(host: Surroundings, { ip, port }: Endpoint): void {
    const { around } = this;
    const isConnected = (): boolean => this.#remote?.port === port && isSame(this.#remote.ip, ip);
    if (!isConnected()) return;
    const notify = (): void => {
      if (this.isClosed || !isConnected()) return;
      this.error = -E.ECONNREFUSED;
      this.changed();
    };
    if (host === around) return notify();
    if (!around.network.passes(host, around)) return;
    around.network.timeline.plan(around.network.arrivalNs(host, around, 0), notify);
  }

  override release(): void {
    super.release();
    this.around.datagrams.unbind(this);
  }
}
