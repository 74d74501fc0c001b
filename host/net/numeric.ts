/** Owns turning the address of a program into one that a call takes. Knows the backend seam. */

import type { Backend, Family, SocketAddress } from "../backend/backend.js";

/** The address itself, or that of its host, which is looked up, blocking. */
export function numericAddress(backend: Backend, address: SocketAddress, of: Family): SocketAddress {
  if (address.path !== undefined || backend.isNumeric(address.host) !== 0) return address;
  const family = of === "IPv6" ? 6 : 4;
  // Python's bind(("", port)): every address of the machine.
  if (address.host === "") return { host: family === 6 ? "::" : "0.0.0.0", port: address.port };
  return { host: backend.lookupSync(address.host, family)[0], port: address.port };
}
