/** Owns socket options: their names, which kind of value each has, and how it is read and set. Knows the backend seam. */

import type { Backend, SocketOption, TextOption } from "../backend/backend.js";
import { checkInteger, checkOneOf } from "../backend/check.js";
import { OSError } from "../backend/errors.js";
import { errorOf } from "./results.js";

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
/** The same numbers on every platform. */
const TYPE_NUMBERS = { stream: 1, dgram: 2 } as const;

export function isTextOption(option: string): option is TextOption {
  return TEXTS.includes(option);
}

export function checkOption(option: SocketOption): void {
  checkOneOf("option", option, OPTIONS);
}

/** A whole number; for a switch true or false as well. @returns the number */
function checkOptionValue(option: SocketOption, value: unknown): number {
  if (typeof value === "boolean" && SWITCH_NAMES.has(option)) return Number(value);
  checkInteger("value", value, -1, VALUE_MAX);
  return value;
}

/** The value of an option; 0 or 1 for a switch, -1 for `SO_LINGER` where it is off. getsockopt(2). */
export function readOption(backend: Backend, fd: number, option: SocketOption): number {
  if (option === "SO_TYPE") {
    const type = backend.socketType(fd);
    if (typeof type === "number") throw errorOf(backend, type, "getsockopt");
    return TYPE_NUMBERS[type];
  }
  if (option === "SO_LINGER") {
    const linger = backend.getLinger(fd);
    if (typeof linger === "number") throw optionError(backend, linger, "getsockopt", option);
    return linger.on ? linger.seconds : -1;
  }
  const value = backend.getOption(fd, option);
  if (value < 0) throw optionError(backend, value, "getsockopt", option);
  return value;
}

/** Sets an option. setsockopt(2). */
export function writeOption(backend: Backend, fd: number, option: SocketOption, value: unknown): void {
  const number = checkOptionValue(option, value);
  // socket(7): it can only be read.
  if (option === "SO_TYPE") throw new OSError("ENOPROTOOPT", { syscall: "setsockopt", hint: option });
  const result =
    option === "SO_LINGER"
      ? backend.setLinger(fd, { on: number >= 0, seconds: Math.max(number, 0) })
      : backend.setOption(fd, option, number);
  if (result < 0) throw optionError(backend, result, "setsockopt", option);
}

/** The error names the option. */
function optionError(backend: Backend, errno: number, syscall: string, option: SocketOption): OSError {
  return new OSError(backend.errorCode(errno), { errno, syscall, hint: option });
}
