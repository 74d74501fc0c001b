/**
 * Owns the question whether an address is granted, and in which form a call may have it. Every address is compared as bytes,
 * and goes to the backend in the form that was compared. Knows no descriptor.
 */

import type { InetAddress, SocketAddress } from "../../backend/backend.js";
import { PolicyError } from "./errors.js";
import {
  destinationOf,
  isUnspecified,
  isWithin,
  type Network,
  type NumericAddress,
  parseAddress,
  parseNetwork,
  textOf,
} from "./ip.js";
import { isName, plainName } from "./names.js";
import type { AddressRule, Policy, PortRange } from "./types.js";

/** Who may do what, as the guard asks. */
export interface Grants {
  /** The destination of a connection in the form to be used; undefined where it is not granted. */
  connect(address: SocketAddress): SocketAddress | undefined;
  /** The destination of datagrams. */
  datagram(address: SocketAddress): SocketAddress | undefined;
  /** An address to bind to, where others may reach the plugin. */
  bind(address: SocketAddress): SocketAddress | undefined;
  /**
   * An address to bind to that is no more than what a call does by itself for a socket that is not bound: any address, any
   * port. Nobody is to reach the plugin there.
   */
  bindAnywhere(address: SocketAddress, isDatagram: boolean): SocketAddress | undefined;
  /** May datagrams come from here? */
  source(address: SocketAddress): boolean;
  /** May a socket join this multicast group? */
  group(host: string): boolean;
  /** The addresses of a name: undefined where it is not granted, "any" where every name is. */
  name(host: string): readonly string[] | "any" | undefined;
  /** May files be opened? */
  readonly files: boolean;
  /** May descriptors be sent, and options be set that lead around the policy? */
  readonly everything: boolean;
}

/** The rules of one field. */
class RuleSet {
  readonly #hosts: { readonly networks: readonly Network[] | "any"; readonly ports: readonly PortRange[] }[] = [];
  readonly #paths = new Set<string>();

  constructor(field: string, rules: readonly AddressRule[]) {
    for (const [index, rule] of rules.entries()) {
      if (rule.path !== undefined) this.#paths.add(rule.path);
      else this.#hosts.push({ networks: networksOf(`${field}[${index}]`, rule), ports: rule.ports });
    }
  }

  get isEmpty(): boolean {
    return this.#hosts.length === 0;
  }

  /** A path is compared by its text: another spelling is another path. */
  hasPath(path: string): boolean {
    return this.#paths.has(path);
  }

  /** Is there a rule for the address, and for the port (undefined: for any port)? */
  has(address: NumericAddress, port: number | undefined): boolean {
    return this.#hosts.some(
      ({ networks, ports }) =>
        (networks === "any" || networks.some((network) => isWithin(address, network))) &&
        (port === undefined || ports.some(({ from, to }) => port >= from && port <= to)),
    );
  }
}

/** Which of the rules allows an address: the first that does; -1 where none does. For addresses in the form that was compared. */
export function ruleFinder(field: string, rules: readonly AddressRule[]): (address: SocketAddress) => number {
  const sets = rules.map((rule) => new RuleSet(field, [rule]));
  return (address) => {
    if (address.path !== undefined) return sets.findIndex((set) => set.hasPath(address.path));
    const numeric = parseAddress(address.host);
    return numeric === undefined ? -1 : sets.findIndex((set) => set.has(numeric, address.port));
  };
}

function networksOf(field: string, rule: AddressRule): readonly Network[] | "any" {
  const { host = "", addresses } = rule;
  if (host === "*") return "any";
  if (isName(rule) && addresses === undefined) {
    throw new PolicyError([{ field, message: `has a name that was not looked up: ${host} (see pinNames)` }]);
  }
  return (isName(rule) ? (addresses ?? []) : [host]).flatMap((each) => parseNetwork(each) ?? []);
}

/** The grants of a policy whose names have been looked up. */
class PolicyGrants implements Grants {
  readonly everything = false;
  readonly files: boolean;
  readonly #connect: RuleSet;
  readonly #bind: RuleSet;
  readonly #udp: RuleSet;
  readonly #names = new Map<string, readonly string[]>();
  readonly #anyName: boolean;
  /** The last source that was allowed: most datagrams come from few. */
  #lastHost = "";
  #lastPort = -1;

  constructor({ connect, bind, udp, dirs }: Policy) {
    this.#connect = new RuleSet("connect", connect);
    this.#bind = new RuleSet("bind", bind);
    this.#udp = new RuleSet("udp", udp);
    this.files = dirs.length > 0;
    this.#anyName = [...connect, ...udp].some(({ host }) => host === "*");
    for (const rule of [...connect, ...bind, ...udp]) {
      if (rule.host === undefined || !isName(rule)) continue;
      const name = plainName(rule.host);
      const known = this.#names.get(name) ?? [];
      this.#names.set(name, [...new Set([...known, ...(rule.addresses ?? [])])]);
    }
  }

  connect(address: SocketAddress): SocketAddress | undefined {
    return this.#destination(this.#connect, address);
  }

  datagram(address: SocketAddress): SocketAddress | undefined {
    if (address.path !== undefined) return this.connect(address);
    return this.#destination(this.#udp, address);
  }

  bind(address: SocketAddress): SocketAddress | undefined {
    if (address.path !== undefined) return this.#bind.hasPath(address.path) ? address : undefined;
    const numeric = parseAddress(address.host);
    return numeric !== undefined && this.#bind.has(numeric, address.port) ? formOf(numeric, address) : undefined;
  }

  bindAnywhere(address: SocketAddress, isDatagram: boolean): SocketAddress | undefined {
    if (address.path !== undefined || address.port !== 0) return undefined;
    const numeric = parseAddress(address.host);
    const isUseful = isDatagram ? !this.#udp.isEmpty : !this.#connect.isEmpty;
    return numeric !== undefined && isUnspecified(numeric) && isUseful ? formOf(numeric, address) : undefined;
  }

  source({ host, port }: SocketAddress): boolean {
    if (host === undefined) return false;
    if (host === this.#lastHost && port === this.#lastPort) return true;
    const numeric = parseAddress(host);
    if (numeric === undefined || !this.#udp.has(numeric, port)) return false;
    this.#lastHost = host;
    this.#lastPort = port;
    return true;
  }

  group(host: string): boolean {
    const numeric = parseAddress(host);
    return numeric !== undefined && this.#udp.has(numeric, undefined);
  }

  name(host: string): readonly string[] | "any" | undefined {
    return this.#names.get(plainName(host)) ?? (this.#anyName ? "any" : undefined);
  }

  #destination(rules: RuleSet, address: SocketAddress): SocketAddress | undefined {
    if (address.path !== undefined) return rules.hasPath(address.path) ? address : undefined;
    const numeric = parseAddress(address.host);
    if (numeric === undefined) return undefined;
    const destination = destinationOf(numeric);
    return rules.has(destination, address.port) ? formOf(destination, address) : undefined;
  }
}

function formOf(address: NumericAddress, { port }: InetAddress): SocketAddress {
  return { host: textOf(address), port };
}

/** @throws PolicyError for a name without addresses */
export function grantsOf(policy: Policy): Grants {
  return new PolicyGrants(policy);
}

/** Grants everything: what a wrapper is held to the contract of backends with. No policy says so. */
export const UNRESTRICTED: Grants = {
  connect: (address) => address,
  datagram: (address) => address,
  bind: (address) => address,
  bindAnywhere: (address) => address,
  source: () => true,
  group: () => true,
  name: () => "any",
  files: true,
  everything: true,
};
