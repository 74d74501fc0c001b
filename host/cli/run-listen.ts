/**
 * Owns the option `--listen` of `wasyncore run`: what it says, and the sockets that it asks for. Leaves addresses and
 * sockets to host/listen; knows no guest.
 */

import type { Backend, SocketAddress } from "../backend/backend.js";
import { openListener as openSocket, parseAddress, splitName } from "../net/listen.js";
import type { Socket } from "../net/socket.js";
import { isListenerName } from "../guest/preview1.js";
import { UsageError } from "./run-errors.js";

export { addressText } from "../net/listen.js";

/** What a --listen says. */
export interface ListenRequest {
  readonly name: string | undefined;
  readonly address: SocketAddress;
}

/** "[NAME=]HOST:PORT", "[NAME=][V6]:PORT" or "[NAME=]PATH". @throws UsageError */
export function parseListen(text: string): ListenRequest {
  const [name, rest] = splitName(text);
  if (name !== undefined && !isListenerName(name))
    throw new UsageError(`--listen ${text}: a name is 1 to 255 printable characters`);
  const address = parseAddress(rest);
  if (address === undefined) {
    if (/^(?:\[[^\]]+\]|[^:[\]=]+):\d+$/.test(rest))
      throw new UsageError(`--listen ${text}: a port is a number from 0 to 65535`);
    const hint =
      "an address is HOST:PORT, [IPV6]:PORT or the path of a Unix socket with a slash in it, such as ./app.sock";
    throw new UsageError(`--listen ${text}: ${hint}`);
  }
  return { name, address };
}

/** A listening socket, not yet given away. */
export interface Listener {
  readonly socket: Socket;
  readonly name: string | undefined;
}

/** Opens a listening socket. @throws OSError: EADDRINUSE, EACCES, ENOTFOUND, ... */
export function openListener(backend: Backend, { name, address }: ListenRequest): Listener {
  return { socket: openSocket(address, backend), name };
}
