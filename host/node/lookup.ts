/**
 * Owns the looking-up of host names, blocking through getaddrinfo(3) and not blocking through node:dns. Both give the
 * first address in the resolver's own order, and the same errors. Knows no descriptor.
 *
 * ```
 * struct addrinfo  0       4        8          12         16        20     24          32           40     48
 *                  | flags | family | socktype | protocol | addrlen |      | addr *    | canonname *| next *|   Linux
 *                  | flags | family | socktype | protocol | addrlen |      | canonname*| addr *     | next *|   BSD
 * ```
 */

import { lookup as lookupOfNode } from "node:dns/promises";
import { isIP } from "node:net";
import { domainToASCII } from "node:url";
import type { NameCalls } from "../backend/backend.js";
import { OSError } from "../backend/errors.js";
import { AddressBuffer } from "./addresses.js";
import { AF_INET, errorCode, type PlatformConstants, SOCK_STREAM } from "./constants.js";
import type { Libc } from "./libc.js";

/** No name is longer (RFC 1035); the two resolvers differ in what they say of one. */
const NAME_MAX = 255;
const ADDRINFO_BYTES = 48;
const ADDRLEN_OFFSET = 16;

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

/** As Node names them: no such name and no address of that kind are both ENOTFOUND. */
function failure(host: string, name: string): OSError {
  const code = name === "EAI_NONAME" || name === "EAI_NODATA" ? "ENOTFOUND" : name;
  return new OSError(code, { errno: LIBUV_ERRNOS[name] ?? -3004, syscall: "getaddrinfo", address: host });
}

function isNumeric(host: string): 0 | 4 | 6 {
  const kind = isIP(host);
  return kind === 4 || kind === 6 ? kind : 0;
}

/**
 * The result without a lookup: a numeric address is returned unchanged.
 * @throws OSError for one of the other family, and for what can be no name.
 */
function known(host: string, family: 0 | 4 | 6): string | undefined {
  const kind = isNumeric(host);
  if (kind !== 0 && (family === 0 || family === kind)) return host;
  if (kind !== 0 || host === "" || host.length > NAME_MAX || host.includes("\0")) throw failure(host, "EAI_NONAME");
  return undefined;
}

export function createLookupCalls(libc: Libc, constants: PlatformConstants): NameCalls {
  const families = { 0: 0, 4: AF_INET, 6: constants.AF_INET6 } as const;

  /** The address in the first entry of the list at `list`. */
  function firstAddress(host: string, list: bigint): string {
    const entry = new DataView(new ArrayBuffer(ADDRINFO_BYTES));
    libc.memcpy(entry, list, ADDRINFO_BYTES);
    const address = new AddressBuffer(libc, constants);
    const length = Math.min(entry.getUint32(ADDRLEN_OFFSET, true), address.bytes.length);
    libc.memcpy(address.bytes, entry.getBigUint64(constants.addrinfoAddress, true), length);
    address.length[0] = length;
    const found = address.decode();
    if (found.host === undefined) throw failure(host, "EAI_NODATA");
    return found.host;
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
      // libc takes no name beyond ASCII; a name that has no such form is left for it to refuse.
      const status = libc.getaddrinfo(domainToASCII(host) || host, 0n, hints, result);
      if (status !== 0) {
        const name = constants.addrinfoErrors[status] ?? "EAI_FAIL";
        if (name !== "EAI_SYSTEM") throw failure(host, name);
        const errno = -libc.errno();
        throw new OSError(errorCode(errno), { errno, syscall: "getaddrinfo", address: host });
      }
      const list = result[0] ?? 0n;
      try {
        return firstAddress(host, list);
      } finally {
        libc.freeaddrinfo(list);
      }
    },

    async lookup(host, family) {
      const numeric = known(host, family);
      if (numeric !== undefined) return numeric;
      try {
        return (await lookupOfNode(host, { family, verbatim: true })).address;
      } catch (cause) {
        const { code, errno } = cause as NodeJS.ErrnoException;
        if (code === undefined || errno === undefined) throw cause;
        throw new OSError(code, { errno, syscall: "getaddrinfo", address: host });
      }
    },
  };
}
