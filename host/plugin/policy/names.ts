/**
 * Owns the host names of a policy: the host looks each up once, before the plugin starts, and the addresses that it found
 * are what the name allows for as long as the plugin runs. Knows no socket.
 */

import type { NameCalls } from "../../backend/backend.js";
import { parseNetwork } from "./ip.js";
import type { AddressRule, HostRule, Policy } from "./types.js";

type Rules = Pick<Policy, "connect" | "bind" | "udp">;

/** Is the rule's host a name, and not an address, a network or "*"? */
export function isName({ host }: AddressRule): boolean {
  return host !== undefined && host !== "*" && parseNetwork(host) === undefined;
}

/** One form of a name: DNS does not distinguish cases, and takes a dot at the end. */
export function plainName(host: string): string {
  return host.toLowerCase().replace(/\.$/, "");
}

/**
 * The policy with the addresses of its names.
 * @throws OSError for a name that cannot be found (ENOTFOUND, EAI_AGAIN)
 */
export async function pinNames(policy: Policy, names: NameCalls): Promise<Policy> {
  const found = new Map<string, readonly string[]>();
  for (const name of namesOf(policy)) found.set(name, await names.lookup(name, 0));
  return pinned(policy, found);
}

/** The same, blocking. */
export function pinNamesSync(policy: Policy, names: NameCalls): Policy {
  const found = new Map<string, readonly string[]>();
  for (const name of namesOf(policy)) found.set(name, names.lookupSync(name, 0));
  return pinned(policy, found);
}

/** Those that have no addresses yet. */
function namesOf({ connect, bind, udp }: Rules): ReadonlySet<string> {
  const unpinned = [...connect, ...bind, ...udp].filter((rule) => isName(rule) && rule.addresses === undefined);
  return new Set(unpinned.map(({ host = "" }) => host));
}

function pinned(policy: Policy, found: ReadonlyMap<string, readonly string[]>): Policy {
  const pin = <R extends AddressRule>(rule: R): R => {
    const addresses = rule.host === undefined ? undefined : found.get(rule.host);
    return addresses === undefined || rule.addresses !== undefined ? rule : { ...rule, addresses };
  };
  return {
    ...policy,
    connect: policy.connect.map(pin),
    bind: policy.bind.map(pin),
    udp: policy.udp.map((rule): HostRule => pin(rule)),
  };
}
