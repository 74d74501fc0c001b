/** Owns the values of `wasi:filesystem`, as both versions have them: errors, kinds, times and paths. Knows no descriptor. */

import type { FileKind, FileStatus, FileTime } from "../backend/backend.js";
import { type Case, Failed, flags, record, type Type, u32, u64, variant } from "./abi.js";

export const ERRORS = [
  ...(["access", "would-block", "already", "bad-descriptor", "busy", "deadlock", "quota", "exist"] as const),
  ...(["file-too-large", "illegal-byte-sequence", "in-progress", "interrupted", "invalid", "io"] as const),
  ...(["is-directory", "loop", "too-many-links", "message-size", "name-too-long", "no-device", "no-entry"] as const),
  ...(["no-lock", "insufficient-memory", "insufficient-space", "not-directory", "not-empty"] as const),
  ...(["not-recoverable", "unsupported", "no-tty", "no-such-device", "overflow", "not-permitted", "pipe"] as const),
  ...(["read-only", "invalid-seek", "text-file-busy", "cross-device"] as const),
] as const;
export type ErrorCode = (typeof ERRORS)[number];

export const CODES: Readonly<Record<string, ErrorCode>> = {
  ...{ EACCES: "access", EAGAIN: "would-block", EALREADY: "already", EBADF: "bad-descriptor", EBUSY: "busy" },
  ...{ EDEADLK: "deadlock", EDQUOT: "quota", EEXIST: "exist", EFBIG: "file-too-large", EINPROGRESS: "in-progress" },
  ...{ EILSEQ: "illegal-byte-sequence", EINTR: "interrupted", EINVAL: "invalid", EIO: "io", EISDIR: "is-directory" },
  ...{ ELOOP: "loop", EMLINK: "too-many-links", EMSGSIZE: "message-size", ENAMETOOLONG: "name-too-long" },
  ...{ ENODEV: "no-device", ENOENT: "no-entry", ENOLCK: "no-lock", ENOMEM: "insufficient-memory" },
  ...{
    ENOSPC: "insufficient-space",
    ENOTDIR: "not-directory",
    ENOTEMPTY: "not-empty",
    ENOTRECOVERABLE: "not-recoverable",
  },
  ...{ EOPNOTSUPP: "unsupported", ENOSYS: "unsupported", ENOTTY: "no-tty", ENXIO: "no-such-device" },
  ...{ EOVERFLOW: "overflow", EPERM: "not-permitted", EPIPE: "pipe", EROFS: "read-only", ESPIPE: "invalid-seek" },
  ...{ ETXTBSY: "text-file-busy", EXDEV: "cross-device" },
} as const;

export const KINDS = [
  ...(["unknown", "block-device", "character-device", "directory", "fifo", "symbolic-link", "regular-file"] as const),
  "socket",
] as const;
export type Kind = (typeof KINDS)[number];
export const KIND_OF: Readonly<Record<FileKind, Kind>> = {
  ...({ file: "regular-file", directory: "directory", link: "symbolic-link", character: "character-device" } as const),
  ...({ block: "block-device", pipe: "fifo", socket: "socket", unknown: "unknown" } as const),
};

export const ADVICE = {
  ...({ normal: "normal", sequential: "sequential", random: "random", "will-need": "willNeed" } as const),
  ...({ "dont-need": "dontNeed", "no-reuse": "noReuse" } as const),
};

export interface Datetime {
  readonly seconds: bigint;
  readonly nanoseconds: number;
}

export interface Stat {
  readonly kind: Kind;
  readonly links: bigint;
  readonly size: bigint;
  readonly accessed: Datetime | undefined;
  readonly modified: Datetime | undefined;
  readonly changed: Datetime | undefined;
}

export const datetime = record<Datetime>({ seconds: u64, nanoseconds: u32 });
export const newTime = variant(undefined, undefined, datetime as Type<never>);
export const pathFlags = flags(1);
export const openFlags = flags(4);
export const descriptorFlags = flags(6);
export const hash = record<{ readonly lower: bigint; readonly upper: bigint }>({ lower: u64, upper: u64 });

export type Failure = Failed<ErrorCode>;

export const failure = (code: ErrorCode): Failure => new Failed(code);

const NS_PER_S = 1_000_000_000n;
/** Before 1970 too: nanoseconds are what its second is behind. */
function timeOf(ns: bigint): Datetime {
  const nanoseconds = ((ns % NS_PER_S) + NS_PER_S) % NS_PER_S;
  return { seconds: (ns - nanoseconds) / NS_PER_S, nanoseconds: Number(nanoseconds) };
}
/** PATH_MAX, its NUL included. */
const PATH_BYTES_MAX = 4095;

export function newTimeOf({ tag, value }: Case): FileTime {
  if (tag === 0) return "keep";
  if (tag === 1) return "now";
  const { seconds, nanoseconds } = value as Datetime;
  return seconds * NS_PER_S + BigInt(nanoseconds);
}

export function statOf(status: FileStatus): Stat {
  const { kind, links, size, accessedNs, modifiedNs, changedNs } = status;
  const times = { accessed: timeOf(accessedNs), modified: timeOf(modifiedNs), changed: timeOf(changedNs) };
  return { kind: KIND_OF[kind], links, size, ...times };
}

/** The same for the same file, and of another one hardly ever. */
export function hashOf({ device, inode, modifiedNs, size }: FileStatus): { lower: bigint; upper: bigint } {
  const mix = (a: bigint, b: bigint): bigint =>
    BigInt.asUintN(64, (a ^ (b * 0x9e3779b97f4a7c15n)) * 0xbf58476d1ce4e5b9n);
  return { lower: mix(mix(device, inode), size), upper: mix(mix(inode, device), modifiedNs) };
}

/** Leads out by its first step, whether that is there or not. Where links and later steps lead, the backend finds out. */
const OUTSIDE = /^(?:\/|(?:\.\/+)*\.\.(?:\/|$))/;

/** A path that the backend takes; otherwise why it is refused. */
export function refusedPath(path: string): ErrorCode | undefined {
  if (path === "") return "no-entry";
  if (path.includes("\0")) return "invalid";
  if (OUTSIDE.test(path)) return "not-permitted";
  return Buffer.byteLength(path) > PATH_BYTES_MAX ? "name-too-long" : undefined;
}
