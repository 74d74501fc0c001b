/** Owns numeric addresses: their one form, what they stand for, and how a socket of a family shows them. Knows no socket. */

import { isIP } from "node:net";
import type { Family, InetAddress, SocketAddress } from "../backend/backend.js";

/** An Internet address in its one form; an IPv4 address that is mapped into IPv6 is the IPv4 address. */
export interface Ip {
  readonly text: string;
  readonly version: 4 | 6;
}

export const ANY_4: Ip = { text: "0.0.0.0", version: 4 };
export const ANY_6: Ip = { text: "::", version: 6 };
export const LOOPBACK_4: Ip = { text: "127.0.0.1", version: 4 };
export const LOOPBACK_6: Ip = { text: "::1", version: 6 };

/** Where an Internet socket is bound, or a datagram is from. */
export interface Endpoint {
  readonly ip: Ip;
  readonly port: number;
}

const KNOWN_MAX = 4096;
const known = new Map<string, Ip | undefined>();

/** @returns undefined for what is no numeric address */
export function ipOf(host: string): Ip | undefined {
  if (known.has(host)) return known.get(host);
  const ip = parse(host);
  if (known.size < KNOWN_MAX) known.set(host, ip);
  return ip;
}

function parse(host: string): Ip | undefined {
  const version = isIP(host);
  if (version === 4) return { text: host, version: 4 };
  if (version !== 6) return undefined;
  const [plain = ""] = host.split("%");
  const text = new URL(`http://[${plain}]`).hostname.slice(1, -1);
  const [, high, low] = /^::ffff:([0-9a-f]+):([0-9a-f]+)$/.exec(text) ?? [];
  if (high === undefined || low === undefined) return { text, version: 6 };
  const [a, b] = [Number.parseInt(high, 16), Number.parseInt(low, 16)];
  return { text: `${a >> 8}.${a & 255}.${b >> 8}.${b & 255}`, version: 4 };
}

export function isAny({ text }: Ip): boolean {
  return text === "0.0.0.0" || text === "::";
}

export function isLoopback({ text }: Ip): boolean {
  return text.startsWith("127.") || text === "::1";
}

export function isMulticast({ text, version }: Ip): boolean {
  if (version === 6) return text.startsWith("ff");
  const first = Number.parseInt(text, 10);
  return first >= 224 && first < 240;
}

export function isSame(one: Ip, other: Ip): boolean {
  return one.text === other.text;
}

export function isSameEndpoint(one: Endpoint, other: Endpoint): boolean {
  return one.port === other.port && isSame(one.ip, other.ip);
}

export function familyOf({ version }: Ip): Family {
  return version === 4 ? "IPv4" : "IPv6";
}

/** As a socket of `family` shows it. */
export function shown({ ip, port }: Endpoint, family: Family): InetAddress {
  return { host: family === "IPv6" && ip.version === 4 ? `::ffff:${ip.text}` : ip.text, port };
}

/** May a socket of `family` have this address? An IPv6 socket has IPv4 addresses in their mapped form. */
export function fits(ip: Ip, address: InetAddress, family: Family): boolean {
  return family === (address.host.includes(":") ? "IPv6" : familyOf(ip));
}

export function textOf(address: SocketAddress | undefined): string {
  if (address === undefined) return "nowhere";
  if (address.path !== undefined) return address.path.replace("\0", "@");
  return address.host.includes(":") ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}
