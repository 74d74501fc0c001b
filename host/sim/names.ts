/** Owns the names of a world: which addresses each has, and how long it takes to look one up. Knows no descriptor. */

import type { Addresses } from "../backend/backend.js";
import { OSError } from "../backend/errors.js";
import { ipOf } from "./addresses.js";
import type { Faults } from "./faults.js";

/** libuv's numbers, as in Node's errors. */
const NOT_FOUND = -3008;
const AGAIN = -3001;
/** RFC 1035. */
const NAME_MAX = 255;
const LOOKUP_MS = 0.2;
const SLOW_MS = 5000;

export interface Answer {
  readonly result: Addresses | OSError;
  /** How long it takes; 0 for what needs no server. */
  readonly delayMs: number;
}

export class Names {
  readonly #addresses = new Map<string, readonly string[]>([["localhost", ["127.0.0.1", "::1"]]]);
  readonly #faults: Faults;

  constructor(faults: Faults) {
    this.#faults = faults;
  }

  /** Adds an address to a name. */
  add(name: string, address: string): void {
    const key = name.toLowerCase();
    this.#addresses.set(key, [...(this.#addresses.get(key) ?? []), address]);
  }

  ask(host: string, family: 0 | 4 | 6, asker: string): Answer {
    const kind = numericKind(host);
    if (kind !== 0 && (family === 0 || family === kind)) return { result: [host], delayMs: 0 };
    const isInvalid = kind !== 0 || host === "" || host.length > NAME_MAX || host.includes("\0");
    const failure = new OSError("ENOTFOUND", { errno: NOT_FOUND, syscall: "getaddrinfo", address: host });
    if (isInvalid) return { result: failure, delayMs: 0 };
    const key = host.toLowerCase();
    const faults = this.#faults;
    let delayMs = key === "localhost" ? 0 : LOOKUP_MS;
    if (faults.comes("slow-name")) {
      delayMs += faults.setting("slow-name")?.ms ?? SLOW_MS;
      faults.list("slow-name", asker, `${host} takes ${delayMs} ms`);
    }
    if (faults.hits("dead-name", asker, host)) {
      const dead = new OSError("EAI_AGAIN", { errno: AGAIN, syscall: "getaddrinfo", address: host });
      return { result: dead, delayMs };
    }
    const [first, ...others] = (this.#addresses.get(key) ?? []).filter(
      (address) => family === 0 || ipOf(address)?.version === family,
    );
    return { result: first === undefined ? failure : [first, ...others], delayMs };
  }
}

/** 4 or 6 for a numeric address, 0 for a name. */
export function numericKind(host: string): 0 | 4 | 6 {
  const ip = typeof host === "string" ? ipOf(host) : undefined;
  if (ip === undefined) return 0;
  return host.includes(":") ? 6 : 4;
}
