/** Owns socket options: their defaults, what they apply to, and their numbers, which are Linux's. Knows no socket. */

import type { Family, IntegerOption, Linger, SocketType } from "../backend/backend.js";
import { E } from "./file.js";

const DEFAULTS: Readonly<Partial<Record<IntegerOption, number>>> = {
  SO_RCVLOWAT: 1,
  TCP_KEEPIDLE: 7200,
  TCP_KEEPINTVL: 75,
  TCP_KEEPCNT: 9,
  IP_TTL: 64,
  IP_MULTICAST_TTL: 1,
  IP_MULTICAST_LOOP: 1,
  IPV6_UNICAST_HOPS: 64,
  IPV6_MULTICAST_HOPS: 1,
  IPV6_MULTICAST_LOOP: 1,
};

/** By level and number: getsockopt(2). */
const NUMBERS: Readonly<Record<string, IntegerOption>> = {
  "1.2": "SO_REUSEADDR",
  "1.4": "SO_ERROR",
  "1.6": "SO_BROADCAST",
  "1.7": "SO_SNDBUF",
  "1.8": "SO_RCVBUF",
  "1.9": "SO_KEEPALIVE",
  "1.10": "SO_OOBINLINE",
  "1.15": "SO_REUSEPORT",
  "1.18": "SO_RCVLOWAT",
  "1.30": "SO_ACCEPTCONN",
  "6.1": "TCP_NODELAY",
  "6.4": "TCP_KEEPIDLE",
  "6.5": "TCP_KEEPINTVL",
  "6.6": "TCP_KEEPCNT",
  "6.18": "TCP_USER_TIMEOUT",
  "0.1": "IP_TOS",
  "0.2": "IP_TTL",
  "0.33": "IP_MULTICAST_TTL",
  "0.34": "IP_MULTICAST_LOOP",
  "41.16": "IPV6_UNICAST_HOPS",
  "41.18": "IPV6_MULTICAST_HOPS",
  "41.19": "IPV6_MULTICAST_LOOP",
  "41.26": "IPV6_V6ONLY",
  "41.67": "IPV6_TCLASS",
};

const SWITCHES = /^(SO_(REUSE|KEEP|BROAD|OOB)|TCP_NODELAY|.*_LOOP$|IPV6_V6ONLY)/;
/** SOL_SOCKET, SO_TYPE. */
export const TYPE_NUMBER = "1.3";

export function optionOf(level: number, option: number): IntegerOption | undefined {
  return NUMBERS[`${level}.${option}`];
}

export class Options {
  linger: Linger = { on: false, seconds: 0 };
  congestion = "cubic";
  device = "";
  readonly #family: Family;
  readonly #type: SocketType;
  readonly #values = new Map<IntegerOption, number>();

  constructor(family: Family, type: SocketType) {
    this.#family = family;
    this.#type = type;
  }

  get(option: IntegerOption): number {
    const refused = this.#refusal(option);
    // As in Linux, which says otherwise of one that is to be set.
    if (refused < 0) return this.#family === "IPv6" ? refused : -E.EOPNOTSUPP;
    return this.#values.get(option) ?? DEFAULTS[option] ?? 0;
  }

  isOn(option: IntegerOption): boolean {
    return (this.#values.get(option) ?? 0) !== 0;
  }

  set(option: IntegerOption, value: number): number {
    const refused = this.#refusal(option);
    if (refused < 0) return refused;
    if (option === "SO_ERROR" || option === "SO_ACCEPTCONN") return -E.ENOPROTOOPT;
    if (option === "IP_TTL" && (value < 1 || value > 255)) return -E.EINVAL;
    const isSwitch = SWITCHES.test(option);
    this.#values.set(option, isSwitch ? Number(value !== 0) : value | 0);
    return 0;
  }

  /** What an accepted socket has of its listener. */
  inherit(from: Options): void {
    this.linger = from.linger;
    this.congestion = from.congestion;
    this.device = from.device;
    for (const [option, value] of from.#values) this.#values.set(option, value);
  }

  #refusal(option: IntegerOption): number {
    if (option.startsWith("SO_")) return 0;
    if (this.#family === "unix") return -E.EOPNOTSUPP;
    if (option.startsWith("TCP_")) return this.#type === "stream" ? 0 : -E.ENOPROTOOPT;
    return option.startsWith("IPV6_") && this.#family !== "IPv6" ? -E.ENOPROTOOPT : 0;
  }
}
