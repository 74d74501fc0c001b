/** Owns what each call of a backend may return: a recording is somebody else's, and its results go into the program. Knows no record. */

import type { RecordedCall } from "../calls.js";

type Check = (value: unknown) => boolean;

const isBytes: Check = (value) => value instanceof Uint8Array;
const isText: Check = (value) => typeof value === "string";
const isBoolean: Check = (value) => typeof value === "boolean";
const isBigint: Check = (value) => typeof value === "bigint";
const isInteger: Check = (value) => Number.isSafeInteger(value);
const isNatural: Check = (value) => typeof value === "number" && (value | 0) === value && value >= 0;
const oneOf =
  (...values: readonly unknown[]): Check =>
  (value) =>
    values.includes(value);
const listOf =
  (check: Check, least = 0, most = Infinity): Check =>
  (value) =>
    Array.isArray(value) && value.length >= least && value.length <= most && value.every(check);

function objectOf(checks: Readonly<Record<string, Check>>): Check {
  const entries = Object.entries(checks);
  return (value) => {
    if (typeof value !== "object" || value === null) return false;
    const found = value as Record<string, unknown>;
    return entries.every(([key, check]) => Object.hasOwn(found, key) && check(found[key]));
  };
}

const isInet = objectOf({ host: isText, port: (value) => isNatural(value) && (value as number) <= 0xffff });
const isUnix = objectOf({ path: isText });
const isAddress: Check = (value) => isInet(value) || isUnix(value);
const isPair = listOf(isNatural, 2, 2);
const isKind = oneOf("file", "directory", "link", "character", "block", "pipe", "socket", "unknown");
const isStatus = objectOf({
  kind: isKind,
  ...Object.fromEntries(
    ["device", "inode", "links", "size", "accessedNs", "modifiedNs", "changedNs"].map((name) => [name, isBigint]),
  ),
});

/** Addresses of a name. */
export const areAddresses: Check = listOf(isText, 1);

/** Besides a whole number, which each call may return: of others it is the only result. */
const RESULTS: Partial<Record<RecordedCall, Check>> = {
  socketPair: isPair,
  pipe: isPair,
  accept: objectOf({ fd: isNatural, address: isAddress }),
  receive: isBytes,
  readBytes: isBytes,
  getRawOption: isBytes,
  readLinkBeneath: isBytes,
  recvFrom: objectOf({ length: isNatural, address: isAddress }),
  receiveFrom: objectOf({ data: isBytes, address: isAddress }),
  getLinger: objectOf({ on: isBoolean, seconds: isInteger }),
  socketType: oneOf("stream", "dgram"),
  family: oneOf("IPv4", "IPv6", "unix"),
  localAddress: isAddress,
  remoteAddress: isAddress,
  getTextOption: isText,
  peerCredentials: objectOf({ pid: isInteger, uid: isInteger, gid: isInteger }),
  receiveDescriptors: objectOf({ data: isBytes, descriptors: listOf(isNatural), isTruncated: isBoolean }),
  seek: isBigint,
  status: isStatus,
  statusBeneath: isStatus,
  readDirectory: listOf(objectOf({ name: isBytes, inode: isBigint, kind: isKind, next: isBigint })),
};

/** These return how much of their second argument they have filled or sent, as a number or as `length`. */
const MOVES: ReadonlySet<RecordedCall> = new Set([
  "recv",
  "read",
  "peek",
  "recvFrom",
  "recvOutOfBand",
  "readFrom",
  "send",
  "write",
  "sendOutOfBand",
  "sendTo",
  "sendDescriptors",
  "writeTo",
]);

/** Is this what the call can have returned? */
export function isResult(name: RecordedCall, [, moved]: readonly unknown[], value: unknown): boolean {
  if (name === "lookupSync") return areAddresses(value);
  if (!isInteger(value) && RESULTS[name]?.(value) !== true) return false;
  if (!MOVES.has(name) || !(moved instanceof Uint8Array)) return true;
  const count = typeof value === "number" ? value : (value as { readonly length: number }).length;
  return count <= moved.length;
}
