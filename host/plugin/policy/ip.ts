/**
 * Owns numeric addresses as bytes: parses the forms that inet_pton(3) takes and no other, and compares with networks.
 * Knows no port and no rule.
 *
 * An IPv4 address that is mapped into IPv6 (::ffff:192.0.2.1) is that IPv4 address: the kernel connects to it.
 */

import { isIP } from "node:net";

const IPV4_BYTES = 4;
const IPV6_BYTES = 16;
/** ::ffff:0:0/96 */
const MAPPED_BYTES = 12;

/** A numeric address. */
export interface NumericAddress {
  /** 4 or 16 bytes. */
  readonly bytes: Uint8Array;
  /** The interface of an IPv6 address: "eth0" in "fe80::1%eth0"; "" for none. */
  readonly scope: string;
  /** Was it written as an IPv4 address in IPv6? */
  readonly isMapped: boolean;
}

/** A network, or a single address, which is a network with all of its bits. */
export interface Network extends NumericAddress {
  readonly prefixBits: number;
}

/** undefined for what is no numeric address. */
export function parseAddress(text: string): NumericAddress | undefined {
  const kind = isIP(text);
  if (kind === 0) return undefined;
  if (kind === 4) return { bytes: bytes4(text), scope: "", isMapped: false };
  const [address = "", scope = ""] = text.split("%");
  const bytes = bytes6(address);
  return isMapped(bytes)
    ? { bytes: bytes.subarray(MAPPED_BYTES), scope, isMapped: true }
    : { bytes, scope, isMapped: false };
}

/** "192.0.2.0/24" or "192.0.2.1"; undefined for anything else. Bits beyond the prefix are kept, see {@link hasBitsBeyond}. */
export function parseNetwork(text: string): Network | undefined {
  const [address = "", prefix, ...others] = text.split("/");
  const parsed = parseAddress(address);
  if (parsed === undefined || others.length > 0) return undefined;
  const bits = parsed.bytes.length * 8;
  if (prefix === undefined) return { ...parsed, prefixBits: bits };
  if (!/^\d{1,3}$/.test(prefix)) return undefined;
  // The prefix of a mapped network counts the 96 bits in front.
  const prefixBits = Number(prefix) - (parsed.isMapped ? MAPPED_BYTES * 8 : 0);
  return prefixBits < 0 || prefixBits > bits ? undefined : { ...parsed, prefixBits };
}

/** Does the address of a network have bits that its prefix does not cover? */
export function hasBitsBeyond({ bytes, prefixBits }: Network): boolean {
  return bytes.some((byte, index) => (byte & ~maskOf(prefixBits, index)) !== 0);
}

/** Is the address in the network? One with an interface is, only where the network has the same one or names none. */
export function isWithin({ bytes, scope }: NumericAddress, network: Network): boolean {
  if (bytes.length !== network.bytes.length) return false;
  if (network.scope !== "" && network.scope !== scope) return false;
  for (let index = 0; index * 8 < network.prefixBits; index++) {
    const difference = (bytes[index] ?? 0) ^ (network.bytes[index] ?? 0);
    if ((difference & maskOf(network.prefixBits, index)) !== 0) return false;
  }
  return true;
}

/** 0.0.0.0 or ::, which mean "this machine" to connect(2), and "every address" to bind(2). */
export function isUnspecified({ bytes }: NumericAddress): boolean {
  return bytes.every((byte) => byte === 0);
}

/** The address in the form that every resolver and every backend reads in one way. */
export function textOf({ bytes, scope, isMapped }: NumericAddress): string {
  if (bytes.length === IPV4_BYTES) return isMapped ? `::ffff:${bytes.join(".")}` : bytes.join(".");
  const groups = Array.from({ length: 8 }, (_, index) =>
    (((bytes[2 * index] ?? 0) << 8) | (bytes[2 * index + 1] ?? 0)).toString(16),
  );
  return scope === "" ? groups.join(":") : `${groups.join(":")}%${scope}`;
}

/** What connect(2) makes of 0.0.0.0 and ::, which are no destinations; others are returned as they are. */
export function destinationOf(address: NumericAddress): NumericAddress {
  if (!isUnspecified(address)) return address;
  const bytes = new Uint8Array(address.bytes.length);
  bytes[bytes.length - 1] = 1;
  if (bytes.length === IPV4_BYTES) bytes[0] = 127;
  return { ...address, bytes };
}

function maskOf(prefixBits: number, index: number): number {
  const bits = Math.min(8, Math.max(0, prefixBits - index * 8));
  return (0xff << (8 - bits)) & 0xff;
}

function isMapped(bytes: Uint8Array): boolean {
  return bytes.subarray(0, MAPPED_BYTES).every((byte, index) => byte === (index < 10 ? 0 : 0xff));
}

function bytes4(text: string): Uint8Array {
  return Uint8Array.from(text.split("."), Number).subarray(0, IPV4_BYTES);
}

/** Of an address that isIP() takes. */
function bytes6(text: string): Uint8Array {
  const [front = "", back] = text.split("::");
  const head = groupBytes(front);
  const tail = back === undefined ? [] : groupBytes(back);
  const bytes = new Uint8Array(IPV6_BYTES);
  bytes.set(head);
  bytes.set(tail, IPV6_BYTES - tail.length);
  return bytes;
}

/** Bytes of "a:b:c", whose last part may be an IPv4 address. */
function groupBytes(text: string): number[] {
  if (text === "") return [];
  return text.split(":").flatMap((group) => {
    if (group.includes(".")) return [...bytes4(group)];
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
}
