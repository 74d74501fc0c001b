/** Owns addresses: numeric text, as the seam has it, and the values of wasi:sockets. Knows no socket. */

import type { InetAddress } from "../backend/backend.js";
import type { IpAddress, IpSocketAddress } from "wasi:sockets/network@0.2.0";

const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/;
const GROUPS = 8;
const PORT_MAX = 65_535;

/** 4 or 6 for a numeric address, otherwise 0. "fe80::1%2" is numeric; names of interfaces are unknown here. */
export function versionOf(host: string): 0 | 4 | 6 {
  if (IPV4.test(host)) return 4;
  return groupsOf(host.split("%")[0] ?? "") === undefined ? 0 : 6;
}

/** @returns undefined for what is no numeric address with a port */
export function toWasi({ host, port }: { readonly host: string; readonly port: number }): IpSocketAddress | undefined {
  if (!Number.isInteger(port) || port < 0 || port > PORT_MAX) return undefined;
  if (IPV4.test(host)) return { tag: "ipv4", val: { port, address: host.split(".").map(Number) } };
  const [plain = "", scope = "0"] = host.split("%");
  const address = groupsOf(plain);
  const scopeId = Number(scope);
  if (address === undefined || !Number.isInteger(scopeId)) return undefined;
  return { tag: "ipv6", val: { port, flowInfo: 0, address, scopeId } };
}

export function fromWasi({ tag, val }: IpSocketAddress): InetAddress {
  if (tag === "ipv4") return { host: val.address.join("."), port: val.port };
  const host = textOf6(val.address);
  return { host: val.scopeId === 0 ? host : `${host}%${val.scopeId}`, port: val.port };
}

/** An address without a port, as text. */
export function hostFromWasi({ tag, val }: IpAddress): string {
  return tag === "ipv4" ? val.join(".") : textOf6(val);
}

/** The eight groups of an IPv6 address without a scope. */
function groupsOf(text: string): number[] | undefined {
  if (!text.includes(":")) return undefined;
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map((half, index) => groupsIn(half, index === halves.length - 1));
  if (head === undefined || (halves.length === 2 && tail === undefined)) return undefined;
  if (tail === undefined) return head.length === GROUPS ? head : undefined;
  const missing = GROUPS - head.length - tail.length;
  return missing < 1 ? undefined : [...head, ...Array.from({ length: missing }, () => 0), ...tail];
}

/** Groups between colons; the last part of an address may end with an IPv4 address. */
function groupsIn(text: string, isLast: boolean): number[] | undefined {
  if (text === "") return [];
  const parts = text.split(":");
  const groups: number[] = [];
  for (const [index, part] of parts.entries()) {
    if (isLast && index === parts.length - 1 && IPV4.test(part)) {
      const [a = 0, b = 0, c = 0, d = 0] = part.split(".").map(Number);
      groups.push(a * 256 + b, c * 256 + d);
    } else if (/^[0-9a-f]{1,4}$/i.test(part)) {
      groups.push(Number.parseInt(part, 16));
    } else {
      return undefined;
    }
  }
  return groups;
}

/** As inet_ntop(3) writes it: the longest row of zeros is left out, and IPv4 in IPv6 is IPv4 at its end. */
function textOf6(groups: readonly number[]): string {
  let [best, bestLength, start] = [-1, 1, -1];
  for (let i = 0; i <= GROUPS; i++) {
    if (i < GROUPS && groups[i] === 0) {
      if (start < 0) start = i;
    } else if (start >= 0) {
      if (i - start > bestLength) [best, bestLength] = [start, i - start];
      start = -1;
    }
  }
  const isMapped = best === 0 && bestLength === 5 && groups[5] === 0xffff;
  const shown = groups.map((group) => group.toString(16));
  if (isMapped) {
    const [high = 0, low = 0] = groups.slice(6);
    return `::ffff:${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
  }
  if (best < 0) return shown.join(":");
  return `${shown.slice(0, best).join(":")}::${shown.slice(best + bestLength).join(":")}`;
}
