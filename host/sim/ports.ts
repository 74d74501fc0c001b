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
  #next = 0;
  #turn = 0;

  /** @returns the port, which is a free one for port 0; or -errno */
  bind(socket: Bound, ip: Ip, port: number): number {
    if (port === 0) return this.#bindFree(socket);
    const others = this.#byPort.get(port);
    if (others === undefined) this.#byPort.set(port, [socket]);
    else if (others.some((other) => conflicts(socket, ip, other))) return -E.EADDRINUSE;
    else others.push(socket);
    return port;
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
      if (!this.#byPort.has(port)) return port;
    }
    return -E.EADDRINUSE;
  }

  unbind(socket: Bound): void {
    const port = socket.bound?.port ?? 0;
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
  const [six, sixIp] = oneIp.version === 6 ? [one, oneIp] : [other, otherIp];
  return six.isDual && isAny(sixIp);
}
