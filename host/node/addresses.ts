/**
 * Owns the layouts of struct sockaddr: writes a {@link SocketAddress} into one and reads it back. Makes no call but
 * libc's conversions of addresses and of interface names. Knows no descriptor.
 *
 * ```
 * sockaddr_in    0       2       4               8                       16
 *                | family|port BE|  address      |  zero                 |
 * sockaddr_in6   0       2       4               8            24         28
 *                | family|port BE|  flowinfo     |  address   | scope id |
 * sockaddr_un    0       2                                  110 (BSD: 106)
 *                | family|  path, as long as the sockaddr's length says    |
 * ```
 * The family and the scope id are in the machine's byte order, little-endian wherever the backend runs. On macOS and
 * FreeBSD byte 0 is the length and byte 1 the family.
 */

import { isIP } from "node:net";
import type { SocketAddress } from "../backend/backend.js";
import { AF_INET, AF_UNIX, errnos, type PlatformConstants } from "./constants.js";
import type { Libc } from "./libc.js";

/** Bytes of the larger of sockaddr_storage and sockaddr_un. */
const STORAGE_BYTES = 128;
const IN_BYTES = 16;
const IN6_BYTES = 28;
const PATH_OFFSET = 2;
/** INET6_ADDRSTRLEN; more than IF_NAMESIZE. */
const TEXT_BYTES = 46;
/** How many decoded IPv4 hosts are kept, as a power of two. */
const HOSTS_BITS = 6;
/** Knuth's, for hash values in the high bits: 2^32 divided by the golden ratio. */
const HASH_FACTOR = 0x9e3779b1;

const utf8Encoder = new TextEncoder();
const utf8Decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** One sockaddr and its length, used again for every call. */
export class AddressBuffer {
  readonly #memory = new ArrayBuffer(STORAGE_BYTES + 4);
  /** The sockaddr itself. */
  readonly bytes = new Uint8Array(this.#memory, 0, STORAGE_BYTES);
  /** The socklen_t that libc reads and writes. */
  readonly length = new Uint32Array(this.#memory, STORAGE_BYTES, 1);
  /** The addresses of both. */
  readonly bytesAt: number;
  readonly lengthAt: number;

  readonly #libc: Libc;
  readonly #constants: PlatformConstants;
  readonly #view = new DataView(this.#memory);
  readonly #address6 = this.bytes.subarray(8, 24);
  readonly #text = Buffer.alloc(TEXT_BYTES);
  /** IPv4 hosts decoded before: their numbers, and their texts. */
  readonly #hostNumbers = new Uint32Array(1 << HOSTS_BITS);
  readonly #hosts: string[] = Array.from({ length: 1 << HOSTS_BITS }, () => "0.0.0.0");

  constructor(libc: Libc, constants: PlatformConstants) {
    this.#libc = libc;
    this.#constants = constants;
    this.bytesAt = Number(libc.addressOf(this.bytes));
    this.lengthAt = this.bytesAt + STORAGE_BYTES;
  }

  /** Empties it for a call that fills it. */
  reset(): this {
    this.length[0] = STORAGE_BYTES;
    this.#setFamily(0, 0);
    return this;
  }

  /** AF_* of the address in it. */
  get family(): number {
    return this.#constants.addressHasLength ? this.#byte(1) : this.#view.getUint16(0, true);
  }

  /** Writes `address`. @returns its length in bytes, or -errno: -EINVAL where it is neither numeric nor a path. */
  encode(address: SocketAddress): number {
    if (address.path !== undefined) return this.#encodePath(address.path);
    const { host, port } = address;
    if (!Number.isInteger(port) || port < 0 || port > 65535) return -errnos.EINVAL;
    const kind = isIP(host);
    if (kind === 4) return this.#encode4(host, port);
    return kind === 6 ? this.#encode6(host, port) : -errnos.EINVAL;
  }

  /** Reads what a call has left. No address, or one of an unknown family, is decoded as an unnamed Unix address. */
  decode(): SocketAddress {
    const length = Math.min(this.length[0] ?? 0, STORAGE_BYTES);
    const family = length < PATH_OFFSET ? 0 : this.family;
    if (family === AF_INET) {
      return { host: this.#decode4(), port: this.#view.getUint16(2) };
    }
    if (family === this.#constants.AF_INET6) return { host: this.#decode6(), port: this.#view.getUint16(2) };
    return { path: family === AF_UNIX ? this.#decodePath(length) : "" };
  }

  #byte(index: number): number {
    return this.bytes[index] ?? 0;
  }

  #setFamily(family: number, length: number): void {
    if (this.#constants.addressHasLength) {
      this.bytes[0] = length;
      this.bytes[1] = family;
    } else {
      this.#view.setUint16(0, family, true);
    }
  }

  #encode4(host: string, port: number): number {
    this.#setFamily(AF_INET, IN_BYTES);
    this.#view.setUint16(2, port);
    let at = 4;
    let value = 0;
    for (let index = 0; index < host.length; index++) {
      const digit = host.charCodeAt(index) - 48;
      if (digit >= 0) {
        value = value * 10 + digit;
      } else {
        this.bytes[at++] = value;
        value = 0;
      }
    }
    this.bytes[at] = value;
    this.bytes.fill(0, 8, IN_BYTES);
    return IN_BYTES;
  }

  #encode6(host: string, port: number): number {
    const percent = host.indexOf("%");
    const scope = percent < 0 ? 0 : this.#scopeId(host.slice(percent + 1));
    if (scope < 0) return scope;
    this.#setFamily(this.#constants.AF_INET6, IN6_BYTES);
    this.#view.setUint16(2, port);
    this.#view.setUint32(4, 0);
    const text = percent < 0 ? host : host.slice(0, percent);
    if (this.#libc.inet_pton(this.#constants.AF_INET6, text, this.#address6) !== 1) return -errnos.EINVAL;
    this.#view.setUint32(24, scope, true);
    return IN6_BYTES;
  }

  /** "2" or "eth0" as a number. -ENODEV for an interface that does not exist. */
  #scopeId(scope: string): number {
    if (/^\d+$/.test(scope)) {
      const id = Number(scope);
      return id <= 0xffffffff ? id : -errnos.ENODEV;
    }
    return this.#libc.if_nametoindex(scope) || -errnos.ENODEV;
  }

  /** As text. Most peers come from few hosts: the last text of each of some hash values is kept. */
  #decode4(): string {
    const number = this.#view.getUint32(4);
    const at = (Math.imul(number, HASH_FACTOR) >>> 0) >>> (32 - HOSTS_BITS);
    if (this.#hostNumbers[at] !== number) {
      this.#hostNumbers[at] = number;
      this.#hosts[at] = `${this.#byte(4)}.${this.#byte(5)}.${this.#byte(6)}.${this.#byte(7)}`;
    }
    return this.#hosts[at] ?? "";
  }

  #decode6(): string {
    this.#libc.inet_ntop(this.#constants.AF_INET6, this.#address6, this.#text, TEXT_BYTES);
    const host = this.#takeText();
    const scope = this.#view.getUint32(24, true);
    if (scope === 0) return host;
    // As getnameinfo(3): only fe80::/10 and ff.2::/16 have an interface.
    const [first, second] = [this.#byte(8), this.#byte(9)];
    const linkLocal = first === 0xfe ? (second & 0xc0) === 0x80 : first === 0xff && (second & 0x0f) === 2;
    const named = linkLocal && Boolean(this.#libc.if_indextoname(scope, this.#text));
    return `${host}%${named ? this.#takeText() : scope}`;
  }

  #takeText(): string {
    const end = this.#text.indexOf(0);
    return this.#text.toString("latin1", 0, end < 0 ? TEXT_BYTES : end);
  }

  #encodePath(path: string): number {
    const capacity = this.#constants.unixPathBytes;
    const abstract = path.startsWith("\0");
    if (!abstract && path.includes("\0")) return -errnos.EINVAL;
    const { read, written } = utf8Encoder.encodeInto(path, this.bytes.subarray(PATH_OFFSET, PATH_OFFSET + capacity));
    // A path ends with a NUL, which has to fit as well; an abstract name and the empty one do not.
    const terminated = !abstract && path !== "";
    if (read < path.length || (terminated && written === capacity)) return -errnos.ENAMETOOLONG;
    if (terminated) this.bytes[PATH_OFFSET + written] = 0;
    const length = PATH_OFFSET + written + (terminated ? 1 : 0);
    this.#setFamily(AF_UNIX, length);
    return length;
  }

  #decodePath(length: number): string {
    const path = this.bytes.subarray(PATH_OFFSET, length);
    if (path.length === 0) return "";
    // Linux's abstract names begin with a NUL and may contain more; on BSD a leading NUL is not a valid name.
    const abstract = path[0] === 0 && !this.#constants.addressHasLength;
    const end = abstract ? -1 : path.indexOf(0);
    return utf8Decoder.decode(end < 0 ? path : path.subarray(0, end));
  }
}
