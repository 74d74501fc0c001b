/**
 * Owns what the sockets of a component share: the backend, which of the host's listening sockets it may take, and whether it may
 * open others. Knows no state of a socket.
 */

import type { Backend, InetAddress } from "../backend/backend.js";
import { ACCESS_DENIED, type AddressFamily, addressText, failureOf, inetOf, type SocketFailure } from "./network.js";
import type { Poller } from "./polling.js";
import type { HostBytes } from "./resources.js";

/** A listening socket that the host has opened for the component: binding to its address takes it. */
export interface GrantedListener {
  readonly fd: number;
  readonly name?: string | undefined;
}

export interface SocketGrants {
  readonly listeners: readonly GrantedListener[];
  /** May it open, bind and connect sockets of its own? What else is granted is for the backend to say. */
  readonly mayOpen: boolean;
  /** Something was refused that {@link mayOpen} would grant. `stream` is the address that a stream socket was to be bound to. */
  readonly onRefused: (what: string, stream?: string) => void;
}

export class SocketWorld {
  readonly backend: Backend;
  readonly poller: Poller;
  readonly bytes: HostBytes;
  readonly #grants: SocketGrants;
  /** By address; those that are not taken. */
  readonly #listeners = new Map<string, number>();

  constructor(backend: Backend, poller: Poller, bytes: HostBytes, grants: SocketGrants) {
    this.backend = backend;
    this.bytes = bytes;
    this.poller = poller;
    this.#grants = grants;
    for (const { fd } of grants.listeners) this.returnListener(fd);
  }

  /** A socket of its own. One of IPv6 has no addresses of IPv4. */
  open(family: AddressFamily, type: "stream" | "dgram"): number | SocketFailure {
    const { backend } = this;
    const fd = backend.socket(family === "ipv4" ? "IPv4" : "IPv6", type);
    if (fd < 0) return this.failure(fd);
    if (family === "ipv6") backend.setOption(fd, "IPV6_V6ONLY", 1);
    return fd;
  }

  /** Takes the host's listening socket at this address. @returns its descriptor; undefined where there is none */
  listenerAt(address: InetAddress): number | undefined {
    const text = addressText(address);
    const fd = this.#listeners.get(text);
    this.#listeners.delete(text);
    return fd;
  }

  returnListener(fd: number): void {
    const address = this.backend.localAddress(fd);
    if (typeof address !== "number") this.#listeners.set(addressText(inetOf(address)), fd);
  }

  bind(fd: number, address: InetAddress): SocketFailure | undefined {
    const text = addressText(address);
    const refused = this.#refusal(`bind ${text}`, text);
    if (refused !== undefined) return refused;
    this.backend.setOption(fd, "SO_REUSEADDR", 1);
    return this.bindDatagram(fd, address);
  }

  bindDatagram(fd: number, address: InetAddress): SocketFailure | undefined {
    const refused = this.#refusal(`bind ${addressText(address)}`);
    if (refused !== undefined) return refused;
    const result = this.backend.bind(fd, address);
    if (result >= 0) return undefined;
    return this.backend.errorCode(result) === "EAFNOSUPPORT" ? failureOf("EINVAL") : this.failure(result);
  }

  mayConnect(address: InetAddress): SocketFailure | undefined {
    return this.#refusal(`connect to ${addressText(address)}`);
  }

  mayLookUp(name: string): SocketFailure | undefined {
    return this.#refusal(`look up ${name}`);
  }

  failure(errno: number): SocketFailure {
    return failureOf(this.backend.errorCode(errno));
  }

  #refusal(what: string, stream?: string): SocketFailure | undefined {
    if (this.#grants.mayOpen) return undefined;
    this.#grants.onRefused(what, stream);
    return ACCESS_DENIED;
  }
}
