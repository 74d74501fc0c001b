/** Owns the host's network: the right to use it, taken on first use. */

import { instanceNetwork } from "wasi:sockets/instance-network@0.2.0";
import type { Network } from "wasi:sockets/network@0.2.0";

let taken: Network | undefined;

export function network(): Network {
  taken ??= instanceNetwork();
  return taken;
}
