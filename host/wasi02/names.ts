/**
 * Owns the looking-up of host names by wasi:sockets/ip-name-lookup, blocking and not. Both give the same addresses in the
 * resolver's own order, and the errors that Node has. Knows no descriptor.
 */

import { type Pollable, poll } from "wasi:io/poll@0.2.0";
import { type ResolveAddressStream, resolveAddresses } from "wasi:sockets/ip-name-lookup@0.2.0";
import type { Addresses, NameCalls } from "../backend/backend.js";
import { OSError } from "../backend/errors.js";
import { hostFromWasi, versionOf } from "./addresses.js";
import { codeOf } from "./errors.js";
import { network } from "./network.js";

/** RFC 1035. */
const NAME_MAX = 255;
const WOULD_BLOCK = "would-block";

/** libuv's numbers, which are the `errno` of Node's errors. */
const ERRNOS: Readonly<Record<string, number>> = { ENOTFOUND: -3008, EAI_AGAIN: -3001, EAI_FAIL: -3004 };

/** By `error-code`. A host without the right to look names up says access-denied. */
const CODES: Readonly<Record<string, string>> = {
  "name-unresolvable": "ENOTFOUND",
  "invalid-argument": "ENOTFOUND",
  "temporary-resolver-failure": "EAI_AGAIN",
  "permanent-resolver-failure": "EAI_FAIL",
};

function failure(host: string, code: string): OSError {
  const hint = code === "EACCES" ? "the host does not let this program look names up" : undefined;
  return new OSError(code, { errno: ERRNOS[code] ?? -13, syscall: "getaddrinfo", address: host, hint });
}

/** One lookup: what it has found so far. */
class Lookup {
  readonly #host: string;
  readonly #family: 0 | 4 | 6;
  readonly #found = new Set<string>();
  readonly #stream: ResolveAddressStream;
  readonly pollable: Pollable;

  constructor(host: string, family: 0 | 4 | 6) {
    this.#host = host;
    this.#family = family;
    this.#stream = attempt(host, () => resolveAddresses(network(), host));
    this.pollable = this.#stream.subscribe();
  }

  /** Takes what has been found. @returns the addresses when there are no more to come */
  advance(): Addresses | undefined {
    while (true) {
      let address;
      try {
        address = this.#stream.resolveNextAddress();
      } catch (thrown) {
        const code = codeOf(thrown);
        if (code === WOULD_BLOCK) return undefined;
        throw failure(this.#host, CODES[code] ?? "EACCES");
      }
      if (address === null) break;
      if (this.#family === 0 || address.tag === `ipv${this.#family}`) this.#found.add(hostFromWasi(address));
    }
    const [first, ...others] = this.#found;
    if (first === undefined) throw failure(this.#host, "ENOTFOUND");
    return [first, ...others];
  }

  drop(): void {
    this.pollable[Symbol.dispose]();
    this.#stream[Symbol.dispose]();
  }
}

function attempt<T>(host: string, call: () => T): T {
  try {
    return call();
  } catch (thrown) {
    throw failure(host, CODES[codeOf(thrown)] ?? "EACCES");
  }
}

/** `host` itself where it is a numeric address. @throws OSError for one of the other family, and for an invalid name */
function known(host: string, family: 0 | 4 | 6): Addresses | undefined {
  const version = versionOf(host);
  if (version !== 0 && (family === 0 || family === version)) return [host];
  if (version !== 0 || host === "" || host.length > NAME_MAX || host.includes("\0")) throw failure(host, "ENOTFOUND");
  return undefined;
}

/** @param whenReady calls back once, from the event loop, when a pollable is ready */
export function createNameCalls(whenReady: (pollable: Pollable, call: () => void) => void): NameCalls {
  return {
    isNumeric: versionOf,

    lookupSync(host, family) {
      const numeric = known(host, family);
      if (numeric !== undefined) return numeric;
      const lookup = new Lookup(host, family);
      try {
        while (true) {
          const found = lookup.advance();
          if (found !== undefined) return found;
          poll([lookup.pollable]);
        }
      } finally {
        lookup.drop();
      }
    },

    lookup(host, family) {
      return new Promise((resolve, reject) => {
        const numeric = known(host, family);
        if (numeric !== undefined) return resolve(numeric);
        const lookup = new Lookup(host, family);
        const goOn = (): void => {
          try {
            const found = lookup.advance();
            if (found === undefined) return whenReady(lookup.pollable, goOn);
            lookup.drop();
            resolve(found);
          } catch (error) {
            lookup.drop();
            reject(error);
          }
        };
        goOn();
      });
    },
  };
}
