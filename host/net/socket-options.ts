/** Owns the names of socket options, and which kind of value each has. Knows no socket. */

import type { SocketOption } from "../backend/backend.js";
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
] as const satisfies readonly SocketOption[];
const NUMBERS = [
  "SO_RCVBUF",
  "SO_SNDBUF",
  "SO_RCVLOWAT",
  "SO_TYPE",
  "SO_ERROR",
  "SO_LINGER",
] as const satisfies readonly SocketOption[];
const OPTIONS: readonly SocketOption[] = [...SWITCHES, ...NUMBERS];
const SWITCH_NAMES: ReadonlySet<SocketOption> = new Set(SWITCHES);
/** Socket options that are on or off. `SO_ACCEPTCONN` can only be read. */
export type SocketSwitch = (typeof SWITCHES)[number];

/** Socket options that are whole numbers. */
export type SocketNumber = (typeof NUMBERS)[number];

const VALUE_MAX = 0x7fffffff;

export function checkOption(option: SocketOption): void {
  checkOneOf("option", option, OPTIONS);
}

/** A whole number; for a switch true or false as well. @returns the number */
export function checkOptionValue(option: SocketOption, value: unknown): number {
  if (typeof value === "boolean" && SWITCH_NAMES.has(option)) return Number(value);
  checkInteger("value", value, -1, VALUE_MAX);
  return value;
}
