/** Owns what addresses an Internet socket may be bound to, or reach. Knows sockets by their family and what they are bound to. */

import type { InetAddress, SocketAddress } from "../backend/backend.js";
import { type Endpoint, fits, type Ip, ipOf, isAny, LOOPBACK_4, LOOPBACK_6 } from "./addresses.js";
import { E } from "./file.js";
import type { Options } from "./options.js";

interface InetSocket {
  readonly family: string;
  readonly bound: Endpoint | undefined;
  /** May it not be bound? */
  readonly isBound: boolean;
  readonly isDual: boolean;
  readonly options: Options;
}

/** @returns 0 where it may be bound, or -errno: as in Linux, the families ask in different orders */
export function bindRefusal(socket: InetSocket, ip: Ip, isOwn: boolean): number {
  const isMapped = socket.family === "IPv6" && ip.version === 4;
  if (socket.family === "IPv6" && (socket.isBound || (isMapped && !socket.isDual))) return -E.EINVAL;
  if (!isOwn) return -E.EADDRNOTAVAIL;
  return socket.isBound ? -E.EINVAL : 0;
}

/** A socket has been bound: as in Linux, to one IPv6 address, it has no IPv4 addresses. @returns whether it is bound to a specific address */
export function hasBound({ family, options }: InetSocket, ip: Ip): boolean {
  if (family === "IPv6" && ip.version === 6 && !isAny(ip)) options.set("IPV6_V6ONLY", 1);
  return !isAny(ip) || (family === "IPv6" && ip.version === 4);
}

/** @returns -EINVAL for what is no numeric address, -EAFNOSUPPORT for an IPv6 address that is to be an IPv4 socket's; the other one is too short */
export function endpointOf(address: SocketAddress, family: "IPv4" | "IPv6" | "unix"): Endpoint | number {
  if (address.path !== undefined) return -E.EAFNOSUPPORT;
  const { host, port } = address as InetAddress;
  const ip = ipOf(host);
  if (ip === undefined || !Number.isInteger(port) || port < 0 || port > 65_535) return -E.EINVAL;
  if (fits(ip, address, family)) return { ip, port };
  return family === "IPv6" ? -E.EINVAL : -E.EAFNOSUPPORT;
}

/** The address that a socket reaches by `ip`: by any address, itself. @returns -errno where an IPv6 socket is of the other version */
export function destinationOf(socket: InetSocket, ip: Ip): Ip | number {
  const isOfFour = socket.family === "IPv6" && socket.bound?.ip.version === 4;
  if (isAny(ip)) return ip.version === 4 || isOfFour ? destinationOf(socket, LOOPBACK_4) : LOOPBACK_6;
  if (socket.family === "IPv6" && ip.version === 4) return socket.isDual ? ip : -E.ENETUNREACH;
  return isOfFour && ip.version === 6 ? -E.EAFNOSUPPORT : ip;
}
