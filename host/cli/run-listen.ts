/**
 * Owns the addresses of `wasyncore run --listen`: reads them, and opens the listening sockets. Knows sockets; knows no
 * guest.
 */

import { lstatSync, unlinkSync } from "node:fs";
import type { Backend, SocketAddress } from "../backend.js";
import { OSError } from "../errors.js";
import { Socket } from "../socket.js";
import { isListenerName } from "../wasi/preview1.js";
import { UsageError } from "./run-options.js";

/** As many as Node's own servers let wait. */
const BACKLOG = 511;

/** What a --listen says. */
export interface ListenRequest {
  readonly name: string | undefined;
  readonly address: SocketAddress;
}

/** "[NAME=]HOST:PORT", "[NAME=][V6]:PORT" or "[NAME=]PATH". @throws UsageError */
export function parseListen(text: string): ListenRequest {
  // A path may have an equals sign in it, but a name is no path.
  const [, name, rest = text] = /^([^=/[\]:]+)=(.*)$/s.exec(text) ?? [];
  if (name !== undefined && !isListenerName(name)) throw new UsageError(`--listen ${text}: a name is 1 to 255 printable characters`);
  return { name, address: parseAddress(text, rest) };
}

function parseAddress(option: string, text: string): SocketAddress {
  if (text.includes("/")) return { path: text };
  const match = /^(?:\[([^\]]+)\]|([^:[\]=]+)):(\d{1,5})$/.exec(text);
  const [, host6, host, digits] = match ?? [];
  const port = Number(digits);
  if (match === null || port > 65_535) {
    const hint = "an address is HOST:PORT, [IPV6]:PORT or the path of a Unix socket with a slash in it, such as ./app.sock";
    throw new UsageError(`--listen ${option}: ${hint}`);
  }
  return { host: host6 ?? host ?? "", port };
}

/** "127.0.0.1:80", "[::1]:80" or the path. */
export function addressText({ host, port, path }: SocketAddress): string {
  if (path !== undefined) return path;
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** A listening socket, not yet given away. */
export interface Listener {
  readonly socket: Socket;
  readonly name: string | undefined;
}

/** Opens a listening socket. @throws OSError: EADDRINUSE, EACCES, ENOTFOUND, ... */
export function openListener(backend: Backend, { name, address }: ListenRequest): Listener {
  const found = numeric(backend, address);
  const socket = Socket.create({ family: familyOf(backend, found) }, backend);
  try {
    if (found.path === undefined) socket.setOption("SO_REUSEADDR", 1);
    bind(backend, socket, found);
    socket.listen(BACKLOG);
    return { socket, name };
  } catch (error) {
    socket.close();
    throw error;
  }
}

function numeric(backend: Backend, address: SocketAddress): SocketAddress {
  if (address.path !== undefined || backend.isNumeric(address.host) !== 0) return address;
  return { host: backend.lookupSync(address.host, 0), port: address.port };
}

function familyOf(backend: Backend, { host, path }: SocketAddress): "IPv4" | "IPv6" | "unix" {
  if (path !== undefined) return "unix";
  return backend.isNumeric(host) === 6 ? "IPv6" : "IPv4";
}

/** Ctrl-C leaves the file of a Unix socket behind: one that nobody listens on any more is replaced. */
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
