/**
 * Owns what is found out about an endpoint by asking it: what a socket is already when it is taken over, and what a
 * snapshot says. Knows sockets; knows no handler and no map.
 */

import type { SocketAddress } from "../backend/backend.js";
import type { ChannelDescription } from "../loop/channel.js";
import type { Endpoint } from "../net/endpoint.js";
import { State } from "../loop/engine.js";
import { OSError } from "../backend/errors.js";
import { Socket } from "../net/socket.js";

/** What a socket is. */
export interface SocketStanding {
  /** A `State` of the engine. */
  readonly state: number;
  /** The peer's address, or a listener's own. */
  readonly address: SocketAddress | undefined;
}

/** Asks a socket that was given from outside what it is. @throws OSError where it is none any more */
export function inspectSocket(socket: Socket): SocketStanding {
  if (socket.type === "dgram") return { state: State.OPEN, address: undefined };
  try {
    return { state: State.OPEN, address: socket.remoteAddress() };
  } catch (error) {
    if (!(error instanceof OSError) || (error.code !== "ENOTCONN" && error.code !== "EINVAL")) throw error;
    if (socket.getOption("SO_ACCEPTCONN") !== 0) return { state: State.ACCEPTING, address: socket.localAddress() };
    // A connection that was reset before it could be taken over: reading tells its end.
    return { state: socket.getOption("SO_ERROR") === 0 ? State.IDLE : State.OPEN, address: undefined };
  }
}

/** Is it a stream of bytes, which has an end? */
export function isStream(endpoint: Endpoint): boolean {
  return !(endpoint instanceof Socket) || endpoint.type === "stream";
}

/** What a snapshot of the map says of a channel in this state. */
export function describeEndpoint(
  endpoint: Endpoint | undefined,
  state: ChannelDescription["state"],
): ChannelDescription {
  const socket = endpoint instanceof Socket && !endpoint.closed ? endpoint : undefined;
  return {
    state,
    local: socket && known(() => socket.localAddress()),
    remote: socket && known(() => socket.remoteAddress()),
    bytesIn: endpoint?.bytesIn ?? 0,
    bytesOut: endpoint?.bytesOut ?? 0,
  };
}

/** An address, or undefined where there is none. */
function known(ask: () => SocketAddress): SocketAddress | undefined {
  try {
    return ask();
  } catch {
    return undefined;
  }
}
