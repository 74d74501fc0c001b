/**
 * Owns what the tests of policies share: guarded backends with a policy, an account whose events are kept, and a count of
 * what reaches the backend beneath. Knows no scenario.
 */

import type { Backend, SocketAddress } from "../../../host/backend/backend.js";
import { createNodeBackend } from "../../../host/node/backend.js";
import { Account, type PolicyEvent } from "../../../host/plugin/policy/account.js";
import { guardBackend } from "../../../host/plugin/policy/guard.js";
import { pinNamesSync } from "../../../host/plugin/policy/names.js";
import { parsePolicy } from "../../../host/plugin/policy/schema.js";
import type { Policy, PolicyInput } from "../../../host/plugin/policy/types.js";
import { addressOf, boundSocket, owned } from "../../backend/support.js";

/** The backend beneath, for the ends that no policy holds. */
export const host = createNodeBackend();

export interface Guarded {
  readonly backend: Backend;
  readonly account: Account;
  readonly policy: Policy;
  readonly events: PolicyEvent[];
  /** The account's clock, in milliseconds. */
  readonly clock: { nowMs: number };
}

/** A plugin's backend. With `clock` the account's time is the test's own. */
export function guarded(input: PolicyInput, { inner = host, ownClock = false } = {}): Guarded {
  const policy = pinNamesSync(parsePolicy(input), inner);
  const events: PolicyEvent[] = [];
  const clock = { nowMs: 0 };
  const account = new Account({
    plugin: "test",
    limits: policy.limits,
    onEvent: (event) => events.push(event),
    nowMs: ownClock ? () => clock.nowMs : undefined,
  });
  return { backend: guardBackend(inner, policy, account), account, policy, events, clock };
}

/** A socket of the plugin. */
export function socketOf(
  backend: Backend,
  family: "IPv4" | "IPv6" | "unix" = "IPv4",
  type: "stream" | "dgram" = "stream",
): number {
  return owned(backend, backend.socket(family, type));
}

/** A listening socket that no policy holds, and its address. */
export function openServer(family: "IPv4" | "IPv6" = "IPv4"): { fd: number; port: number } {
  const [fd, address] = boundSocket(host, family, "stream");
  host.listen(fd, 100);
  return { fd, port: portOf(address) };
}

export function portOf(address: SocketAddress | number): number {
  const { port } = addressOf(host, address);
  if (port === undefined) throw new Error("no Internet address");
  return port;
}
