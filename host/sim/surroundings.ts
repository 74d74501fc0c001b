/** Owns what a socket needs of the host that it is on and of the world around. Knows no socket. */

import type { Endpoint, Ip } from "./addresses.js";
import type { Faults } from "./faults.js";
import type { Network, Place } from "./network.js";
import type { PortTable } from "./ports.js";
import type { TraceHash } from "./trace.js";

export interface Surroundings extends Place {
  readonly network: Network;
  readonly faults: Faults;
  readonly trace: TraceHash;
  readonly nowNs: number;
  /** The bound sockets, TCP's and UDP's. */
  readonly streams: PortTable;
  readonly datagrams: PortTable;
  /** Is it one of the host's own addresses? */
  owns(ip: Ip): boolean;
  /** The address from which the host sends to `ip`; undefined where it has none of that kind. */
  sourceFor(ip: Ip): Ip | undefined;
  /** The host that what is sent to this address reaches, which is this one for its own; undefined where no host has it. */
  hostAt(ip: Ip, port: number): Surroundings | undefined;
  /** Called when the program has a socket listen, or binds one for datagrams. */
  readonly opened: ((type: "stream" | "dgram", at: Endpoint) => void) | undefined;
  /** All hosts of the world, in the order in which they were made. */
  readonly all: readonly Surroundings[];
}
