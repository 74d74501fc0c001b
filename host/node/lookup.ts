/**
 * Owns the looking-up of host names, blocking through getaddrinfo(3) and not blocking through node:dns. Both give the
 * same addresses in the resolver's own order, and the same errors. Knows no descriptor.
 *
 * ```
 * struct addrinfo  0       4        8          12         16        20     24          32           40     48
 *                  | flags | family | socktype | protocol | addrlen |      | addr *    | canonname *| next *|   Linux
 *                  | flags | family | socktype | protocol | addrlen |      | canonname*| addr *     | next *|   BSD
 * ```
 */

import type { LookupAddress } from "node:dns";
import { lookup as lookupOfNode } from "node:dns/promises";
import { isIP } from "node:net";
import { domainToASCII } from "node:url";
import type { Addresses, NameCalls } from "../backend/backend.js";
import { OSError } from "../backend/errors.js";
import { AddressBuffer } from "./addresses.js";
import { AF_INET, errorCode, type PlatformConstants, SOCK_STREAM } from "./constants.js";
import type { Libc } from "./libc.js";

/** RFC 1035. Checked here, because the two resolvers give different errors for a longer name. */
const NAME_MAX = 255;
const ADDRINFO_BYTES = 48;
const ADDRLEN_OFFSET = 16;
const NEXT_OFFSET = 40;

/** libuv's numbers for the errors of getaddrinfo, which are the `errno` of Node's errors. */
const LIBUV_ERRNOS: Readonly<Record<string, number>> = {
  EAI_ADDRFAMILY: -3000,
  EAI_AGAIN: -3001,
  EAI_BADFLAGS: -3002,
  EAI_FAIL: -3004,
  EAI_FAMILY: -3005,
  EAI_MEMORY: -3006,
  EAI_NODATA: -3007,
  EAI_NONAME: -3008,
  EAI_OVERFLOW: -3009,
  EAI_SERVICE: -3010,
  EAI_SOCKTYPE: -3011,
};

/** With Node's codes: ENOTFOUND both for no such name and for no address of that family. */
function failure(host: string, name: string): OSError {
  const code = name === "EAI_NONAME" || name === "EAI_NODATA" ? "ENOTFOUND" : name;
  return new OSError(code, { errno: LIBUV_ERRNOS[name] ?? -3004, syscall: "getaddrinfo", address: host });
}

function isNumeric(host: string): 0 | 4 | 6 {
  const kind = isIP(host);
  return kind === 4 || kind === 6 ? kind : 0;
}

/**
 * `host` itself where it is a numeric address; undefined where it must be looked up.
 * @throws OSError for an address of the other family, and for an invalid name
 */
function known(host: string, family: 0 | 4 | 6): Addresses | undefined {
  const kind = isNumeric(host);
  if (kind !== 0 && (family === 0 || family === kind)) return [host];
  if (kind !== 0 || host === "" || host.length > NAME_MAX || host.includes("\0")) throw failure(host, "EAI_NONAME");
  return undefined;
}

/** Each address once: a resolver may name one of several sources twice. @throws OSError if there is none */
function checked(host: string, addresses: readonly string[]): Addresses {
  const [first, ...others] = new Set(addresses);
  if (first === undefined) throw failure(host, "EAI_NODATA");
  return [first, ...others];
}

export function createLookupCalls(libc: Libc, constants: PlatformConstants): NameCalls {
  const families = { 0: 0, 4: AF_INET, 6: constants.AF_INET6 } as const;

  /** The addresses in the list at `list`. */
  function addressesOf(host: string, list: bigint): Addresses {
    const entry = new DataView(new ArrayBuffer(ADDRINFO_BYTES));
    const address = new AddressBuffer(libc, constants);
    const found: string[] = [];
    for (let at = list; at !== 0n; at = entry.getBigUint64(NEXT_OFFSET, true)) {
      libc.memcpy(entry, at, ADDRINFO_BYTES);
      const length = Math.min(entry.getUint32(ADDRLEN_OFFSET, true), address.bytes.length);
      libc.memcpy(address.bytes, entry.getBigUint64(constants.addrinfoAddress, true), length);
      address.length[0] = length;
      const decoded = address.decode();
      if (decoded.host !== undefined) found.push(decoded.host);
    }
    return checked(host, found);
  }

  return {
    isNumeric,

    lookupSync(host, family) {
      const numeric = known(host, family);
      if (numeric !== undefined) return numeric;
      const hints = new Int32Array(ADDRINFO_BYTES / 4);
      hints[1] = families[family];
      hints[2] = SOCK_STREAM;
      const result = new BigUint64Array(1);
      // libc takes ASCII only. A name that has no ASCII form is passed unchanged, and libc refuses it.
      const status = libc.getaddrinfo(domainToASCII(host) || host, 0n, hints, result);
      if (status !== 0) {
        const name = constants.addrinfoErrors[status] ?? "EAI_FAIL";
        if (name !== "EAI_SYSTEM") throw failure(host, name);
        const errno = -libc.errno();
        throw new OSError(errorCode(errno), { errno, syscall: "getaddrinfo", address: host });
      }
      const list = result[0] ?? 0n;
      try {
        return addressesOf(host, list);
      } finally {
        libc.freeaddrinfo(list);
      }
    },

    async lookup(host, family) {
      const numeric = known(host, family);
      if (numeric !== undefined) return numeric;
      let found: readonly LookupAddress[];
      try {
        found = await lookupOfNode(host, { family, verbatim: true, all: true });
      } catch (cause) {
        const { code, errno } = cause as NodeJS.ErrnoException;
        if (code === undefined || errno === undefined) throw cause;
        throw new OSError(code, { errno, syscall: "getaddrinfo", address: host });
      }
      return checked(
        host,
        found.map(({ address }) => address),
      );
    },
  };
}
