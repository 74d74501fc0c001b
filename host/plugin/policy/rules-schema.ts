/**
 * Owns the schemas of what a policy grants one by one: listening sockets, rules of addresses, directories. Each may be
 * written as text or as an object. Knows no limit.
 */

import * as v from "valibot";
import type { SocketAddress } from "../../backend/backend.js";
import {
  hostRule,
  listenAddressOfText,
  pathRule,
  Problem,
  ruleOfText,
  splitDirectory,
  splitName,
} from "./address-text.js";
import { boolean, fields, listOf, plainString, readBy, string, wholeNumber } from "./fields.js";
import { isUnspecified, parseAddress } from "./ip.js";
import { tlsOfClient, tlsOfServer } from "./tls-schema.js";
import type { AddressRule, DirGrant, HostRule, ListenGrant } from "./types.js";

const BACKLOG = 511;
const BACKLOG_MAX = 0x7fffffff;
const PORT_MAX = 65_535;
const LISTENER_NAME = /^[\x20-\x39\x3b-\x7e]{1,255}$/;

const RULE = "an address as text, or an object with host and ports, or with path";
const ADDRESS = "an address as text, or an object with host and port, or with path";

const never = v.optional(v.undefined("must be left out"));
const isObject = (value: unknown): value is object => typeof value === "object" && value !== null;
const hasPath = (value: unknown): boolean => isObject(value) && "path" in value && value.path !== undefined;

const hostFields = {
  host: string,
  ports: v.unknown(),
  addresses: v.optional(listOf(string, "a list of addresses")),
  path: never,
};
const ruleOfHost = readBy(fields(hostFields, RULE), ({ host, ports, addresses }) => hostRule(host, ports, addresses));
const ruleOfHostWithTls = readBy(fields({ ...hostFields, tls: v.optional(tlsOfClient) }, RULE), (input) => {
  const rule = hostRule(input.host, input.ports, input.addresses);
  return rule instanceof Problem || input.tls === undefined ? rule : { ...rule, tls: input.tls };
});
const ruleOfPath = readBy(fields({ path: string, host: never, ports: never, addresses: never }, RULE), ({ path }) =>
  pathRule(path),
);
const ruleWith = (ofHost: v.GenericSchema<unknown, AddressRule>) =>
  v.lazy((value) => {
    if (typeof value === "string") return readBy(string, ruleOfText);
    return hasPath(value) ? ruleOfPath : ofHost;
  });
const anyRule = ruleWith(ruleOfHost as v.GenericSchema<unknown, AddressRule>);

/** Where connections go: a host, with TLS or without, or a Unix socket. */
export const destination = readBy(
  ruleWith(ruleOfHostWithTls as v.GenericSchema<unknown, AddressRule>),
  (rule) => problemOfDestination(rule) ?? rule,
);

/** Where a socket is bound. */
export const binding = readBy(anyRule, (rule): AddressRule | Problem => rule);

/** Where datagrams go: a host. */
export const datagramDestination = readBy(anyRule, (rule): HostRule | Problem => {
  if (rule.path !== undefined) {
    return new Problem(`must be HOST:PORTS: Unix sockets of either type are listed in "connect"`);
  }
  return problemOfDestination(rule) ?? rule;
});

function problemOfDestination({ host = "" }: AddressRule): Problem | undefined {
  const address = parseAddress(host);
  if (address === undefined || !isUnspecified(address)) return undefined;
  return new Problem(`must not be ${host}, which connects to this machine: write 127.0.0.1 or [::1]`);
}

const addressObject = v.lazy((value) => {
  const shape = hasPath(value)
    ? fields({ path: string, host: never, port: never }, ADDRESS)
    : fields({ host: string, port: wholeNumber(0, PORT_MAX, ""), path: never }, ADDRESS);
  return readBy(shape as v.GenericSchema<unknown, SocketAddress>, checkedAddress);
});

const listenAddress = v.lazy((value) =>
  typeof value === "string" ? readBy(string, listenAddressOfText) : addressObject,
);

function checkedAddress({ host, port, path }: SocketAddress): SocketAddress | Problem {
  if (path !== undefined) return path === "" ? new Problem("has an empty path") : { path };
  return host === "" ? new Problem("has an empty host") : { host, port };
}

const listenerName = v.pipe(
  string,
  v.regex(LISTENER_NAME, "must be 1 to 255 printable ASCII characters without a colon"),
);

const listenObject = v.pipe(
  fields(
    {
      address: listenAddress,
      name: v.optional(listenerName),
      backlog: v.optional(wholeNumber(1, BACKLOG_MAX, ""), BACKLOG),
      tls: v.optional(tlsOfServer),
    },
    "an address, NAME=ADDRESS, or an object with an address",
  ),
  v.transform(({ address, name, backlog, tls }): ListenGrant => ({ address, name, backlog, tls })),
);

/** A listening socket: "ADDRESS", "NAME=ADDRESS" or an object. */
export const listener = v.lazy((value) => (typeof value === "string" ? listenText : listenObject));

const listenText = readBy(string, (text): ListenGrant | Problem => {
  const [name, rest] = splitName(text);
  if (name !== undefined && !LISTENER_NAME.test(name)) {
    return new Problem(`has a name that is not 1 to 255 printable ASCII characters: ${JSON.stringify(name)}`);
  }
  const address = listenAddressOfText(rest);
  return address instanceof Problem ? address : { address, name, backlog: BACKLOG, tls: undefined };
});

const dirObject = v.pipe(
  fields(
    { host: plainString, guest: v.optional(plainString), readOnly: v.optional(boolean, false) },
    "HOST::GUEST, HOST::GUEST:ro, or an object with host",
  ),
  v.transform(({ host, guest = host, readOnly }) => ({ host, guest, readOnly })),
);

/** A directory: "HOST::GUEST[:ro]" or an object. */
export const directory = v.lazy((value) =>
  readBy(
    typeof value === "string" ? readBy(plainString, splitDirectory) : (dirObject as v.GenericSchema<unknown, DirGrant>),
    checkedDirectory,
  ),
);

function checkedDirectory(grant: DirGrant): DirGrant | Problem {
  for (const [what, path] of [
    ["host", grant.host],
    ["guest", grant.guest],
  ] as const) {
    if (!path.startsWith("/"))
      return new Problem(`must have an absolute path for the ${what}, got ${JSON.stringify(path)}`);
    if (path.split("/").includes("..")) return new Problem(`must not contain "..", got ${JSON.stringify(path)}`);
  }
  return grant;
}
