/**
 * Owns the kernel's structures of files: status, times and directory entries. Makes no call.
 *
 * ```
 * struct statx    0     16     28    30  32     40     64         96         112        136  140  144  256
 *                 |     |nlink |mode |   |inode |size  |accessed  |changed   |modified  |major|minor|  |
 * statx_timestamp 0        8    12  16
 *                 |seconds |ns  |   |
 * linux_dirent64  0      8     16      18    19
 *                 |inode |next |length |kind |name, NUL
 * ```
 */

import type { DirectoryEntry, FileKind, FileStatus, FileTime } from "../backend/backend.js";

export const STATX_BYTES = 256;
/** What struct stat has. */
export const STATX_BASIC = 0x7ff;
/** Two of struct timespec. */
export const TIMES_BYTES = 32;
/** Room for an entry with the longest name. */
export const ENTRY_BYTES_MAX = 280;

const NS_PER_SECOND = 1_000_000_000n;
const UTIME_NOW = (1n << 30n) - 1n;
const UTIME_OMIT = (1n << 30n) - 2n;

/** By the four bits of S_IFMT, which are the types of directory entries as well. */
const KINDS: ReadonlyMap<number, FileKind> = new Map([
  [1, "pipe"],
  [2, "character"],
  [4, "directory"],
  [6, "block"],
  [8, "file"],
  [10, "link"],
  [12, "socket"],
]);

const kindOf = (type: number): FileKind => KINDS.get(type) ?? "unknown";

export function readStatus(view: DataView): FileStatus {
  const time = (at: number): bigint =>
    view.getBigInt64(at, true) * NS_PER_SECOND + BigInt(view.getUint32(at + 8, true));
  return {
    kind: kindOf(view.getUint16(28, true) >> 12),
    // As makedev(3) puts it together.
    device: (BigInt(view.getUint32(136, true)) << 32n) | BigInt(view.getUint32(140, true)),
    inode: view.getBigUint64(32, true),
    links: BigInt(view.getUint32(16, true)),
    size: view.getBigUint64(40, true),
    accessedNs: time(64),
    modifiedNs: time(112),
    changedNs: time(96),
  };
}

export function writeTimes(times: BigInt64Array, accessed: FileTime, modified: FileTime): void {
  for (const [index, time] of [accessed, modified].entries()) {
    const isSet = typeof time === "bigint";
    // Nanoseconds count upwards, before 1970 as well.
    const ns = isSet ? ((time % NS_PER_SECOND) + NS_PER_SECOND) % NS_PER_SECOND : 0n;
    times[2 * index] = isSet ? (time - ns) / NS_PER_SECOND : 0n;
    times[2 * index + 1] = isSet ? ns : time === "now" ? UTIME_NOW : UTIME_OMIT;
  }
}

/** The entries in the first `length` bytes. */
export function readEntries(bytes: Uint8Array, view: DataView, length: number): DirectoryEntry[] {
  const entries: DirectoryEntry[] = [];
  for (let at = 0; at < length; at += view.getUint16(at + 16, true)) {
    const from = at + 19;
    entries.push({
      name: bytes.slice(from, bytes.indexOf(0, from)),
      inode: view.getBigUint64(at, true),
      kind: kindOf(view.getUint8(at + 18)),
      next: view.getBigInt64(at + 8, true),
    });
  }
  return entries;
}
