/**
 * Owns what a dispatcher makes of its endpoint's state: the engine's name for it, its description in a snapshot, and which
 * errors are about having no socket or no descriptor. Knows no class.
 */

import { OSError } from "../backend/errors.js";
import type { ChannelDescription } from "../loop/channel.js";
import { State } from "../loop/engine.js";
import type { ConnectionState } from "../net/endpoint.js";
import type { Membership } from "./membership.js";

/** The engine's name for an endpoint's state. */
export const STATES = {
  unconnected: State.IDLE,
  connected: State.OPEN,
  connectionless: State.OPEN,
  listening: State.ACCEPTING,
} as const satisfies Record<ConnectionState["kind"], number>;

/** Errors of accept that mean "out of descriptors or memory": pausing helps, closing would not. */
const OUT_OF_DESCRIPTORS: ReadonlySet<string> = new Set(["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"]);

export function isOutOfDescriptors(code: string): boolean {
  return OUT_OF_DESCRIPTORS.has(code);
}

/** The state of a channel, for a snapshot. */
export function describeState(
  channel: { readonly accepting: boolean; readonly connecting: boolean; readonly connected: boolean },
  membership: Membership,
): ChannelDescription["state"] {
  if (channel.accepting) return "accepting";
  if (membership.isResolving) return "resolving";
  if (channel.connecting) return "connecting";
  if (channel.connected) return "connected";
  return membership.state === State.OPEN ? "open" : "idle";
}

/** The error for using a dispatcher that has no socket yet. */
export function withoutSocket(syscall: string): OSError {
  return new OSError("EBADF", {
    syscall,
    hint: "there is no socket yet; call createSocket(), or give a socket to the constructor or setSocket()",
  });
}
