/** Owns the names of socket options, and which kind of value each has. Knows no socket. */

import type { SocketOption, TextOption } from "../backend/backend.js";
import { checkInteger, checkOneOf } from "../backend/check.js";

const SWITCHES = [
  "SO_REUSEADDR",
  "SO_REUSEPORT",
  "SO_KEEPALIVE",
  "SO_BROADCAST",
  "SO_OOBINLINE",
  "SO_ACCEPTCONN",
  "TCP_NODELAY",
  "IPV6_V6ONLY",
  "IP_MULTICAST_LOOP",
  "IPV6_MULTICAST_LOOP",
] as const satisfies readonly SocketOption[];
const NUMBERS = [
  "SO_RCVBUF",
  "SO_SNDBUF",
  "SO_RCVLOWAT",
  "SO_TYPE",
  "SO_ERROR",
  "SO_LINGER",
  "TCP_KEEPIDLE",
  "TCP_KEEPINTVL",
  "TCP_KEEPCNT",
  "TCP_USER_TIMEOUT",
  "IP_TOS",
  "IP_TTL",
  "IP_MULTICAST_TTL",
  "IPV6_TCLASS",
  "IPV6_UNICAST_HOPS",
  "IPV6_MULTICAST_HOPS",
] as const satisfies readonly SocketOption[];
const TEXTS: readonly string[] = ["SO_BINDTODEVICE", "TCP_CONGESTION"] satisfies readonly TextOption[];
const OPTIONS: readonly SocketOption[] = [...SWITCHES, ...NUMBERS];
const SWITCH_NAMES: ReadonlySet<SocketOption> = new Set(SWITCHES);
/** Socket options that are on or off. `SO_ACCEPTCONN` can only be read. */
export type SocketSwitch = (typeof SWITCHES)[number];

/** Socket options that are whole numbers. */
export type SocketNumber = (typeof NUMBERS)[number];

const VALUE_MAX = 0x7fffffff;

export function isTextOption(option: string): option is TextOption {
  return TEXTS.includes(option);
}

export function checkOption(option: SocketOption): void {
  checkOneOf("option", option, OPTIONS);
}

/** A whole number; for a switch true or false as well. @returns the number */
export function checkOptionValue(option: SocketOption, value: unknown): number {
  if (typeof value === "boolean" && SWITCH_NAMES.has(option)) return Number(value);
  checkInteger("value", value, -1, VALUE_MAX);
  return value;
}
