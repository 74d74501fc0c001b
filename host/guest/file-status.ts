/** Owns a file's status, kind and times as a guest has them. Knows the layouts; makes no call. */

import type { FileKind, FileStatus, FileTime } from "../backend/backend.js";
import { Filestat, Filetype, FstFlags } from "../wasi/layout.js";
import type { GuestMemory } from "./memory.js";

const FILETYPES: Readonly<Record<FileKind, number>> = {
  file: Filetype.REGULAR_FILE,
  directory: Filetype.DIRECTORY,
  link: Filetype.SYMBOLIC_LINK,
  character: Filetype.CHARACTER_DEVICE,
  block: Filetype.BLOCK_DEVICE,
  socket: Filetype.SOCKET_STREAM,
  pipe: Filetype.UNKNOWN,
  unknown: Filetype.UNKNOWN,
};

/** WASI's `filetype`. */
export function filetypeOf(kind: FileKind): number {
  return FILETYPES[kind];
}

/** Writes a `filestat` at `at`, where there is room for one. */
export function writeStatus(memory: GuestMemory, at: number, status: FileStatus): void {
  memory.slice(at, Filestat.SIZE).fill(0);
  const { view } = memory;
  const start = at >>> 0;
  view.setBigUint64(start + Filestat.DEVICE, status.device, true);
  view.setBigUint64(start + Filestat.INODE, status.inode, true);
  view.setUint8(start + Filestat.FILETYPE, filetypeOf(status.kind));
  view.setBigUint64(start + Filestat.NLINK, status.links, true);
  view.setBigUint64(start + Filestat.LENGTH, status.size, true);
  view.setBigUint64(start + Filestat.ATIM, status.accessedNs, true);
  view.setBigUint64(start + Filestat.MTIM, status.modifiedNs, true);
  view.setBigUint64(start + Filestat.CTIM, status.changedNs, true);
}

/** The two times that `fstflags` asks for; undefined for flags that contradict each other. */
export function timesOf(
  accessedNs: bigint,
  modifiedNs: bigint,
  flags: number,
): readonly [accessed: FileTime, modified: FileTime] | undefined {
  const { ATIM, ATIM_NOW, MTIM, MTIM_NOW } = FstFlags;
  if ((flags & ~(ATIM | ATIM_NOW | MTIM | MTIM_NOW)) !== 0) return undefined;
  const has = (flag: number): boolean => (flags & flag) !== 0;
  if ((has(ATIM) && has(ATIM_NOW)) || (has(MTIM) && has(MTIM_NOW))) return undefined;
  const time = (isSet: boolean, isNow: boolean, ns: bigint): FileTime => {
    if (isNow) return "now";
    return isSet ? BigInt.asUintN(64, ns) : "keep";
  };
  return [time(has(ATIM), has(ATIM_NOW), accessedNs), time(has(MTIM), has(MTIM_NOW), modifiedNs)];
}
