/**
 * Owns the addresses of WasmEdge's socket calls: reads them from a guest's memory and writes them there. Makes no call.
 *
 * ```
 * address          0       4       8
 *                  | buf   | len   |
 * buf, len 4       | IPv4 address |
 * buf, len 16      | IPv6 address |                  (for a result: either, as its family says)
 * buf, len 128     0        2                        128
 *                  | family | IPv4, IPv6 or path     |
 * ```
 */

import type { SocketAddress } from "../backend/backend.js";
import { ERRNO_AFNOSUPPORT, ERRNO_FAULT, ERRNO_INVAL } from "../wasi/errno.js";
import type { GuestMemory } from "./memory.js";

/** WasmEdge's `address_family`. */
export const AddressFamily = { INET4: 1, INET6: 2, UNIX: 3 } as const;

const STORAGE_BYTES = 128;
const STORAGE_ADDRESS = 2;

/** Where the bytes of an address are. */
interface AddressBytes {
  readonly at: number;
  readonly length: number;
}

/** The bytes that the address structure at `at` refers to, or a WASI errno. */
function addressBytesOf(memory: GuestMemory, at: number): AddressBytes | number {
  if (!memory.has(at, 8)) return ERRNO_FAULT;
  const bufferAt = memory.view.getUint32(at >>> 0, true);
  const length = memory.view.getUint32((at >>> 0) + 4, true);
  if (length !== 4 && length !== 16 && length !== STORAGE_BYTES) return ERRNO_INVAL;
  return memory.has(bufferAt, length) ? { at: bufferAt, length } : ERRNO_FAULT;
}

/** Reads an address. @returns it, or a WASI errno. */
export function readAddress(memory: GuestMemory, at: number, port: number): SocketAddress | number {
  const place = addressBytesOf(memory, at);
  if (typeof place === "number") return place;
  return addressOf(memory.slice(place.at, place.length), port);
}

/** The address in the bytes of a buffer, or a WASI errno. */
export function addressOf(bytes: Uint8Array, port: number): SocketAddress | number {
  if (bytes.length !== STORAGE_BYTES) return inetAddress(bytes, port);
  const address = bytes.subarray(STORAGE_ADDRESS);
  switch ((bytes[0] ?? 0) | ((bytes[1] ?? 0) << 8)) {
    case AddressFamily.INET4:
      return inetAddress(address.subarray(0, 4), port);
    case AddressFamily.INET6:
      return inetAddress(address.subarray(0, 16), port);
    case AddressFamily.UNIX: {
      const end = address.indexOf(0);
      return { path: Buffer.from(address.subarray(0, end < 0 ? address.length : end)).toString() };
    }
    default:
      return ERRNO_AFNOSUPPORT;
  }
}

function inetAddress(bytes: Uint8Array, port: number): SocketAddress | number {
  if (port < 0 || port > 0xffff) return ERRNO_INVAL;
  if (bytes.length === 4) return { host: bytes.join("."), port };
  const groups = Array.from({ length: 8 }, (_, i) =>
    (((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0)).toString(16),
  );
  return { host: groups.join(":"), port };
}

/** Room for an address that a call is to tell. */
export interface AddressRoom {
  /** Writes it. @returns its family, or a WASI errno below zero where it does not fit. */
  write(address: SocketAddress): number;
}

/** The buffer that the structure at `at` describes, or a WASI errno. */
export function addressRoom(memory: GuestMemory, at: number): AddressRoom | number {
  const place = addressBytesOf(memory, at);
  if (typeof place === "number") return place;
  return {
    write(address) {
      const bytes = bytesOf(address);
      const family = familyOf(address, bytes);
      const target = memory.slice(place.at, place.length);
      const storage = place.length === STORAGE_BYTES;
      const from = storage ? STORAGE_ADDRESS : 0;
      if (bytes.length > target.length - from || (!storage && family === AddressFamily.UNIX)) return -ERRNO_AFNOSUPPORT;
      target.fill(0);
      target.set(bytes, from);
      if (storage) memory.view.setUint16(place.at, family, true);
      return family;
    },
  };
}

function familyOf(address: SocketAddress, bytes: Uint8Array): number {
  if (address.path !== undefined) return AddressFamily.UNIX;
  return bytes.length === 4 ? AddressFamily.INET4 : AddressFamily.INET6;
}

/** As it stands on the wire. An address of a backend is numeric. */
function bytesOf(address: SocketAddress): Uint8Array {
  if (address.path !== undefined) return Buffer.from(address.path);
  const [host = ""] = address.host.split("%");
  if (!host.includes(":")) return Uint8Array.from(host.split("."), Number);
  const [front = "", back] = host.split("::");
  const head = groupsOf(front);
  const tail = back === undefined ? [] : groupsOf(back);
  return Uint8Array.from([...head, ...Array.from({ length: 16 - head.length - tail.length }, () => 0), ...tail]);
}

/** Bytes of "a:b:c", whose last part may be an IPv4 address. */
function groupsOf(text: string): number[] {
  if (text === "") return [];
  return text.split(":").flatMap((group) => {
    if (group.includes(".")) return group.split(".").map(Number);
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
}
