/**
 * Owns addresses and rules as people write them: reads the text, or the object, and says what is wrong with it. Knows no
 * schema library.
 */

import type { SocketAddress } from "../../backend/backend.js";
import { hasBitsBeyond, parseNetwork } from "./ip.js";
import type { AddressRule, PortRange } from "./types.js";

const PORT_MAX = 65_535;
const ALL_PORTS: PortRange = { from: 0, to: PORT_MAX };
/** sun_path of Linux, less the NUL. */
const PATH_BYTES_MAX = 107;
const NAME_MAX = 253;

/** What is wrong with a value; a sentence without its subject. */
export class Problem {
  readonly message: string;

  constructor(message: string) {
    this.message = message;
  }
}

/** "HOST:PORTS", "[IPV6]:PORTS", a path, "@abstract". */
export function ruleOfText(text: string): AddressRule | Problem {
  if (isPathText(text)) return pathRule(text);
  const [, host6, host, ports] = /^(?:\[([^\]]+)\]|([^:[\]]+)):([^:]+)$/.exec(text) ?? [];
  const name = host6 ?? host;
  if (name === undefined || ports === undefined) {
    return new Problem(
      `must be HOST:PORTS, [IPV6]:PORTS, the absolute path of a Unix socket or @NAME, got ${JSON.stringify(text)}`,
    );
  }
  if (host6 !== undefined && parseNetwork(host6)?.bytes.length !== 16 && !host6.includes(".")) {
    return new Problem(`has no IPv6 address in its brackets: ${JSON.stringify(text)}`);
  }
  return hostRule(name, ports, undefined);
}

export function hostRule(
  host: string,
  ports: unknown,
  addresses: readonly string[] | undefined,
): AddressRule | Problem {
  const wrong = problemOfHost(host);
  if (wrong !== undefined) return wrong;
  const ranges = portRanges(ports);
  if (ranges instanceof Problem) return ranges;
  if (addresses === undefined) return { host, ports: ranges };
  const stray = addresses.find((each) => each.includes("/") || parseNetwork(each) === undefined);
  if (stray !== undefined)
    return new Problem(`has an entry of "addresses" that is no address: ${JSON.stringify(stray)}`);
  return addresses.length === 0
    ? new Problem(`has empty "addresses": leave them out to have the name looked up`)
    : { host, ports: ranges, addresses: [...addresses] };
}

/** An absolute path; a leading NUL, or "@" in its place, is an abstract name. */
export function pathRule(text: string): AddressRule | Problem {
  const path = text.startsWith("@") ? `\0${text.slice(1)}` : text;
  const isAbstract = path.startsWith("\0");
  if (!isAbstract && !path.startsWith("/")) {
    return new Problem(`must be an absolute path, or @NAME for an abstract one, got ${JSON.stringify(text)}`);
  }
  if (!isAbstract && path.includes("\0")) return new Problem(`has a NUL in its path: ${JSON.stringify(text)}`);
  if (path === "\0") return new Problem("has no name after the @");
  if (Buffer.byteLength(path) > PATH_BYTES_MAX) {
    return new Problem(`is longer than the ${PATH_BYTES_MAX} bytes of a Unix socket's path: ${JSON.stringify(text)}`);
  }
  if (!isAbstract && path.split("/").some((part) => part === "..")) {
    return new Problem(`must not contain "..": write the path itself, got ${JSON.stringify(text)}`);
  }
  return { path };
}

/** "HOST:PORT", "[IPV6]:PORT", a path with a slash in it, "@abstract". */
export function listenAddressOfText(text: string): SocketAddress | Problem {
  if (text.startsWith("@") || text.startsWith("\0")) {
    const rule = pathRule(text);
    return rule instanceof Problem ? rule : { path: rule.path ?? "" };
  }
  if (text.includes("/")) return { path: text };
  const [, host6, host, digits] = /^(?:\[([^\]]+)\]|([^:[\]=]+)):(\d{1,5})$/.exec(text) ?? [];
  const name = host6 ?? host;
  if (name === undefined || Number(digits) > PORT_MAX) {
    return new Problem(
      `must be HOST:PORT, [IPV6]:PORT (ports to ${PORT_MAX}), a path with a slash in it or @NAME, got ${JSON.stringify(text)}`,
    );
  }
  return { host: name, port: Number(digits) };
}

/** Splits "NAME=ADDRESS". A path may contain an equals sign, so what is before it is a name only if it has no slash. */
export function splitName(text: string): readonly [name: string | undefined, address: string] {
  const [, name, address = text] = /^([^=/[\]:@]+)=(.*)$/s.exec(text) ?? [];
  return [name, address];
}

/** Splits "HOST::GUEST[:ro]". */
export function splitDirectory(text: string): { host: string; guest: string; readOnly: boolean } | Problem {
  const readOnly = text.endsWith(":ro");
  const paths = readOnly ? text.slice(0, -3) : text;
  const [host = "", guest = host, ...others] = paths.split("::");
  // A misspelt ":ro" would grant writing.
  if (host === "" || guest === "" || others.length > 0 || /:r[ow]$/i.test(paths)) {
    return new Problem(`must be HOST::GUEST or HOST::GUEST:ro, got ${JSON.stringify(text)}`);
  }
  return { host, guest, readOnly };
}

function isPathText(text: string): boolean {
  return text.startsWith("/") || text.startsWith("@") || text.startsWith("\0") || text.startsWith("./");
}

/** What is wrong with it as an address, a network, a name or "*". */
function problemOfHost(host: string): Problem | undefined {
  if (host === "*") return undefined;
  const network = parseNetwork(host);
  if (network !== undefined) {
    return hasBitsBeyond(network)
      ? new Problem(`has bits beyond its prefix: write the first address of the network, got ${JSON.stringify(host)}`)
      : undefined;
  }
  if (host.includes("/") || host.includes(":"))
    return new Problem(`has no address and no network: ${JSON.stringify(host)}`);
  // What inet_aton(3) takes for an address: 127.1, 0x7f.1, 2130706433.
  if (/(?:^|\.)(?:\d+|0x[\da-f]*)\.?$/i.test(host)) {
    return new Problem(
      `must have IPv4 addresses as four decimal numbers without leading zeros, got ${JSON.stringify(host)}`,
    );
  }
  const isName = host.length <= NAME_MAX && /^(?!-)[\w-]{1,63}(?:\.[\w-]{1,63})*\.?$/.test(host);
  return isName ? undefined : new Problem(`has no host name: ${JSON.stringify(host)}`);
}

function portRanges(ports: unknown): readonly PortRange[] | Problem {
  const list = Array.isArray(ports) ? (ports as unknown[]) : [ports];
  const ranges: PortRange[] = [];
  for (const each of list.flatMap((entry) => (typeof entry === "string" ? entry.split(",") : [entry]))) {
    const range = portRange(each);
    if (range === undefined) {
      return new Problem(
        `must have ports from 0 to ${PORT_MAX}, ranges such as 8000-8099, or *, got ${JSON.stringify(each) ?? "none"}`,
      );
    }
    ranges.push(range);
  }
  return ranges.length > 0 ? ranges : new Problem("has no ports: write * for all of them");
}

function portRange(value: unknown): PortRange | undefined {
  if (value === "*") return ALL_PORTS;
  if (typeof value === "number") return rangeOf(value, value);
  if (typeof value === "string") {
    const [, from, to = from] = /^\s*(\d{1,5})(?:-(\d{1,5}))?\s*$/.exec(value) ?? [];
    return rangeOf(Number(from ?? NaN), Number(to ?? NaN));
  }
  const { from, to } = (value ?? {}) as Partial<PortRange>;
  return typeof from === "number" && typeof to === "number" ? rangeOf(from, to) : undefined;
}

function rangeOf(from: number, to: number): PortRange | undefined {
  const isPort = (port: number): boolean => Number.isInteger(port) && port >= 0 && port <= PORT_MAX;
  return isPort(from) && isPort(to) && from <= to ? { from, to } : undefined;
}
