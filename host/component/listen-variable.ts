/**
 * Owns LISTEN, the variable that tells a component where the host listens for it, and LISTEN_OPEN, which tells that the host listens
 * there already and reports it. Knows no socket's state.
 */

import type { Backend } from "../backend/backend.js";
import { GuestError } from "../guest/module.js";
import { addressText } from "./network.js";
import type { GrantedListener } from "./socket-world.js";

/**
 * The environment with LISTEN in it: "HOST:PORT", or "NAME=HOST:PORT,...". Binding to one of these addresses takes the socket that is
 * there. A LISTEN of the user's own stays, and is not the host's to report.
 * @throws GuestError for a Unix socket
 */
export function withListeners(
  backend: Backend,
  env: Readonly<Record<string, string>>,
  listeners: readonly GrantedListener[],
): Readonly<Record<string, string>> {
  if (listeners.length === 0) return env;
  const texts = listeners.map(({ fd, name }) => {
    const address = backend.localAddress(fd);
    if (typeof address === "number" || address.path !== undefined)
      throw new GuestError("ERR_GUEST_IMPORTS", "it is a component, and WASI 0.2 has no Unix sockets to listen on");
    const text = addressText(address);
    return name === undefined ? text : `${name}=${text}`;
  });
  return env["LISTEN"] === undefined ? { ...env, LISTEN: texts.join(","), LISTEN_OPEN: "1" } : env;
}
