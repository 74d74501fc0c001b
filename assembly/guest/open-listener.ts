/**
 * Owns listening sockets that a program opens because its host passes none. Knows sockets; knows no channel. Where the
 * build's profile has no call for it, this is not in the module.
 */

import { PROFILE, Profile } from "../wasi/profile";
import { SocketAddress } from "./addresses";
import { ascii } from "./ascii";
import { environmentVariable } from "./environment";
import { takeError } from "./errors";
import { decimal, exitWith, printError } from "./messages";
import { Socket, SocketOptions } from "./socket";

/** As on Node. */
const BACKLOG: i32 = 511;
const PORT_MAX: i32 = 65_535;

/**
 * Listens where LISTEN says, or else at `fallback`; says where on standard error, unless LISTEN_OPEN is set. null where there is no address. One that
 * cannot be listened on ends the program with status 1.
 */
export function openListener(name: string, fallback: string): Socket | null {
  const listed = environmentVariable("LISTEN");
  const text = listed === null ? fallback : addressFor(name, listed);
  if (text.length == 0) return null;
  const address = parseAddress(text);
  if (address === null) {
    exitWith(text + ascii(" is no address: it is HOST:PORT or [HOST]:PORT, with a numeric host"));
    return null;
  }
  const options = new SocketOptions();
  if (address.host.indexOf(":") >= 0) options.family = "IPv6";
  const socket = Socket.create(options);
  socket.allowReuse();
  if (!socket.closed) socket.bind(address);
  if (!socket.closed) socket.listen(BACKLOG);
  const error = takeError();
  if (error !== null) {
    exitWith(ascii("cannot listen on ") + text + ": " + error.toString());
    return null;
  }
  socket.name = name;
  if (PROFILE == Profile.COMPONENT) socket.address = socket.localAddress();
  // A host that listens there already says so itself.
  if (environmentVariable("LISTEN_OPEN") === null) printError(ascii("listening on ") + textOf(socket.address));
  return socket;
}

/** Of "web=127.0.0.1:80,admin=[::1]:81" the address with this name; of an entry without a name, any. "" is none. */
function addressFor(name: string, listed: string): string {
  const entries = listed.split(",");
  for (let i = 0; i < entries.length; i++) {
    const entry = entries[i];
    const equals = entry.indexOf("=");
    if (equals < 0 || name.length == 0 || entry.substring(0, equals) == name) return entry.substring(equals + 1);
  }
  return "";
}

function parseAddress(text: string): SocketAddress | null {
  const colon = text.lastIndexOf(":");
  if (colon < 0 || colon + 1 == text.length) return null;
  let port = 0;
  for (let i = colon + 1; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9 || port > PORT_MAX) return null;
    port = port * 10 + digit;
  }
  if (port > PORT_MAX) return null;
  const isBracketed = text.startsWith("[") && text.charAt(colon - 1) == "]";
  const host = isBracketed ? text.substring(1, colon - 1) : text.substring(0, colon);
  if (host.length == 0 || (!isBracketed && host.indexOf(":") >= 0)) return null;
  const address = new SocketAddress();
  address.host = host;
  address.port = port;
  return address;
}

function textOf(address: SocketAddress): string {
  const host = address.host;
  return (host.indexOf(":") >= 0 ? "[" + host + "]" : host) + ":" + decimal(address.port);
}
