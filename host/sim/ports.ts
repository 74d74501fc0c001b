/** Owns which socket of a host has which port. Knows sockets by what is bound and what decides over a conflict. */

import { type Endpoint, type Ip, isAny, isSame } from "./addresses.js";
import { E } from "./file.js";

export interface Bound {
  readonly bound: Endpoint | undefined;
  /** Bound to every IPv6 address, it has every IPv4 address as well. */
  readonly isDual: boolean;
  readonly sharesAddress: boolean;
  readonly sharesPort: boolean;
  readonly isListening: boolean;
}

/** Linux's ip_local_port_range. */
const FIRST = 32_768;
const COUNT = 28_232;

export class PortTable {
  readonly #byPort = new Map<number, Bound[]>();
  /** Those that have their port as ends of connections alone. */
  readonly #held = new Map<number, Set<Bound>>();
  #next = 0;
  #turn = 0;

  /** @returns the port, which is a free one for port 0; or -errno */
  bind(socket: Bound, ip: Ip, port: number): number {
    if (port === 0) return this.#bindFree(socket);
    if (this.#isTaken(socket, ip, port)) return -E.EADDRINUSE;
    const others = this.#byPort.get(port);
    if (others === undefined) this.#byPort.set(port, [socket]);
    else others.push(socket);
    return port;
  }

  #isTaken(socket: Bound, ip: Ip, port: number): boolean {
    const isConflict = (other: Bound): boolean => other !== socket && conflicts(socket, ip, other);
    if (this.#byPort.get(port)?.some(isConflict) === true) return true;
    for (const held of this.#held.get(port) ?? []) if (isConflict(held)) return true;
    return false;
  }

  /** May it no longer have the port that it is bound to? The options of sockets change. */
  isTaken(socket: Bound): boolean {
    const { bound } = socket;
    return bound !== undefined && this.#isTaken(socket, bound.ip, bound.port);
  }

  /** An end of a connection has the port: nothing that conflicts with it can be bound. */
  hold(socket: Bound): void {
    const port = socket.bound?.port ?? 0;
    const others = this.#held.get(port);
    if (others === undefined) this.#held.set(port, new Set([socket]));
    else others.add(socket);
  }

  #bindFree(socket: Bound): number {
    const port = this.free();
    if (port > 0) this.#byPort.set(port, [socket]);
    return port;
  }

  /** A port that no socket is bound to, in their order. @returns -errno where there is none */
  free(): number {
    for (let tried = 0; tried < COUNT; tried++) {
      const port = FIRST + this.#next;
      this.#next = (this.#next + 1) % COUNT;
      if (!this.#byPort.has(port) && !this.#held.has(port)) return port;
    }
    return -E.EADDRINUSE;
  }

  unbind(socket: Bound): void {
    const port = socket.bound?.port ?? 0;
    const held = this.#held.get(port);
    if (held?.delete(socket) === true && held.size === 0) this.#held.delete(port);
    const others = this.#byPort.get(port);
    const at = others?.indexOf(socket) ?? -1;
    if (others === undefined || at < 0) return;
    others.splice(at, 1);
    if (others.length === 0) this.#byPort.delete(port);
  }

  /** All that have this port and address, the most specific first. */
  at(ip: Ip, port: number): readonly Bound[] {
    const there = this.#byPort.get(port) ?? [];
    const exact = there.filter(({ bound }) => bound !== undefined && isSame(bound.ip, ip));
    const any = there.filter(({ bound, isDual }) => {
      return (
        bound !== undefined && isAny(bound.ip) && (bound.ip.version === ip.version || (isDual && ip.version === 4))
      );
    });
    return [...exact, ...any];
  }

  /** One of those with SO_REUSEPORT, each in turn; or the first. */
  chosen(found: readonly Bound[]): Bound | undefined {
    const sharing = found.filter(({ sharesPort }) => sharesPort);
    return sharing.length > 1 ? sharing[this.#turn++ % sharing.length] : found[0];
  }

  clear(): void {
    this.#byPort.clear();
    this.#held.clear();
  }
}

function conflicts(socket: Bound, ip: Ip, other: Bound): boolean {
  const { bound } = other;
  if (bound === undefined || !overlap(socket, ip, other, bound.ip)) return false;
  if (socket.sharesPort && other.sharesPort) return false;
  return !(socket.sharesAddress && other.sharesAddress && !other.isListening);
}

function overlap(one: Bound, oneIp: Ip, other: Bound, otherIp: Ip): boolean {
  if (oneIp.version === otherIp.version) return isAny(oneIp) || isAny(otherIp) || isSame(oneIp, otherIp);
  // One of both versions: the IPv6 one conflicts if it has IPv4 addresses too.
  if (oneIp.version === 6) return one.isDual && isAny(oneIp);
  // A connect gave the other one its IPv6 address: it is not bound to that alone.
  return other.isDual && (isAny(oneIp) || isAny(otherIp));
}
