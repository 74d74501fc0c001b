/**
 * Owns listening sockets whose address is given as text: parses the address, opens the socket. Knows sockets; knows no
 * command line, no environment and no guest.
 */

import { chmodSync, lstatSync, unlinkSync } from "node:fs";
import type { Backend, SocketAddress } from "../backend/backend.js";
import { defaultBackend } from "../node/default.js";
import { OSError } from "../backend/errors.js";
import { Socket } from "./socket.js";

/** The default of Node's own servers. */
const BACKLOG = 511;

const PORT_MAX = 65_535;

/** Splits "NAME=ADDRESS". A path may contain an equals sign, so what is before it is a name only if it has no slash. */
export function splitName(text: string): readonly [name: string | undefined, address: string] {
  const [, name, address = text] = /^([^=/[\]:]+)=(.*)$/s.exec(text) ?? [];
  return [name, address];
}

/** Parses "HOST:PORT", "[IPV6]:PORT", or a path with a slash in it; undefined for anything else. */
export function parseAddress(text: string): SocketAddress | undefined {
  if (text.includes("/")) return { path: text };
  const match = /^(?:\[([^\]]+)\]|([^:[\]=]+)):(\d{1,5})$/.exec(text);
  if (match === null) return undefined;
  const [, host6, host, digits] = match;
  const port = Number(digits);
  return port > PORT_MAX ? undefined : { host: host6 ?? host ?? "", port };
}

/** "127.0.0.1:80", "[::1]:80" or the path. */
export function addressText({ host, port, path }: SocketAddress): string {
  if (path !== undefined) return path;
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * Opens a listening socket; a host name is looked up, blocking.
 * @param mode the permissions of a Unix socket; by default those that the umask leaves
 * @throws OSError: EADDRINUSE, EACCES, ENOTFOUND, ...
 */
export function openListener(address: SocketAddress, backend: Backend = defaultBackend(), mode?: number): Socket {
  const found = numeric(backend, address);
  const socket = Socket.create({ family: familyOf(backend, found) }, backend);
  try {
    if (found.path === undefined) socket.setOption("SO_REUSEADDR", true);
    bind(backend, socket, found);
    // Nobody can connect before it listens.
    if (mode !== undefined && found.path !== undefined) chmodSync(found.path, mode);
    socket.listen(BACKLOG);
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}

function numeric(backend: Backend, address: SocketAddress): SocketAddress {
  if (address.path !== undefined || backend.isNumeric(address.host) !== 0) return address;
  return { host: backend.lookupSync(address.host, 0)[0], port: address.port };
}

function familyOf(backend: Backend, { host, path }: SocketAddress): "IPv4" | "IPv6" | "unix" {
  if (path !== undefined) return "unix";
  return backend.isNumeric(host) === 6 ? "IPv6" : "IPv4";
}

/** Ctrl-C leaves the file of a Unix socket behind: if nothing listens on it any more, it is replaced. */
function bind(backend: Backend, socket: Socket, address: SocketAddress): void {
  try {
    socket.bind(address);
  } catch (error) {
    if (!(error instanceof OSError) || error.code !== "EADDRINUSE" || !isAbandoned(backend, address)) throw error;
    unlinkSync(address.path);
    socket.bind(address);
  }
}

function isAbandoned(backend: Backend, address: SocketAddress): address is SocketAddress & { readonly path: string } {
  const { path } = address;
  if (path === undefined || lstatSync(path, { throwIfNoEntry: false })?.isSocket() !== true) return false;
  const probe = Socket.create({ family: "unix" }, backend);
  try {
    probe.connect({ path });
    return false;
  } catch (error) {
    return error instanceof OSError && error.code === "ECONNREFUSED";
  } finally {
    probe.close();
  }
}
