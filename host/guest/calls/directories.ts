/** Owns the calls on directories that are open: which of them a guest is given, and what is in them. Knows the layouts. */

import { ERRNO_BADF, ERRNO_FAULT, ERRNO_NAMETOOLONG, ERRNO_NOTDIR, ERRNO_SUCCESS } from "../../wasi/errno.js";
import { Dirent, PREOPEN_DIRECTORY, Prestat, Rights } from "../../wasi/layout.js";
import type { DirectoryEntry } from "../../backend/backend.js";
import { filetypeOf } from "../file-status.js";
import type { GuestContext } from "./context.js";
import { lacking } from "./files.js";

/** No type of preview 1's: guests look for directories from descriptor 3 on, and pass over what has another type. */
const PREOPEN_OTHER = PREOPEN_DIRECTORY + 1;

const PARENT = Buffer.from("..");

export function createDirectoryCalls({ backend, errnos, memory, table }: GuestContext, listeners: number) {
  const FIRST = 3;
  /** Are there directories after the listeners? Then a guest's search must go on past those. */
  const isListener = (fd: number): boolean => {
    const number = fd >>> 0;
    return number >= FIRST && number < FIRST + listeners && table.get(FIRST + listeners)?.preopen !== undefined;
  };

  /** Writes as much of an entry as fits in the bytes from `at` to `end`. @returns where the next one begins */
  function writeEntry(entry: DirectoryEntry, inode: bigint, at: number, end: number): number {
    const header = new DataView(new ArrayBuffer(Dirent.SIZE));
    header.setBigUint64(Dirent.NEXT, BigInt.asUintN(64, entry.next), true);
    header.setBigUint64(Dirent.INODE, inode, true);
    header.setUint32(Dirent.NAME_LENGTH, entry.name.length, true);
    header.setUint8(Dirent.FILETYPE, filetypeOf(entry.kind));
    const { bytes } = memory;
    let next = at;
    for (const part of [new Uint8Array(header.buffer), entry.name]) {
      const length = Math.min(part.length, end - next);
      bytes.set(part.subarray(0, length), next);
      next += length;
    }
    return next;
  }

  /** The inode of a directory's parent is none of the guest's business. */
  function inodeOf(fd: number, { inode, name }: DirectoryEntry): bigint {
    if (!PARENT.equals(name)) return inode;
    const status = backend.status(fd);
    return typeof status === "number" ? 0n : status.inode;
  }

  return {
    fd_prestat_get(fd: number, at: number): number {
      const descriptor = table.get(fd);
      const name = descriptor?.preopen;
      // EBADF ends a guest's search for directories.
      if (descriptor === undefined || (name === undefined && !isListener(fd))) return ERRNO_BADF;
      if (!memory.has(at, Prestat.SIZE)) return ERRNO_FAULT;
      memory.slice(at, Prestat.SIZE).fill(0);
      memory.view.setUint8((at >>> 0) + Prestat.TAG, name === undefined ? PREOPEN_OTHER : PREOPEN_DIRECTORY);
      memory.view.setUint32((at >>> 0) + Prestat.NAME_LENGTH, name?.length ?? 0, true);
      return ERRNO_SUCCESS;
    },

    fd_prestat_dir_name(fd: number, at: number, length: number): number {
      const name = table.get(fd)?.preopen;
      if (name === undefined) return ERRNO_BADF;
      if (name.length > length >>> 0) return ERRNO_NAMETOOLONG;
      if (!memory.has(at, name.length)) return ERRNO_FAULT;
      memory.bytes.set(name, at >>> 0);
      return ERRNO_SUCCESS;
    },

    fd_readdir(fd: number, bufferAt: number, length: number, cookie: bigint, usedAt: number): number {
      const descriptor = table.get(fd);
      if (descriptor === undefined) return ERRNO_BADF;
      if (!descriptor.isDirectory) return ERRNO_NOTDIR;
      if (!memory.has(bufferAt, length) || !memory.has(usedAt, 4)) return ERRNO_FAULT;
      const failed = lacking(descriptor, Rights.FD_READDIR);
      if (failed !== ERRNO_SUCCESS) return failed;
      const start = bufferAt >>> 0;
      const end = start + (length >>> 0);
      let at = start;
      let position = cookie;
      while (at < end) {
        const entries = backend.readDirectory(descriptor.fd, position, end - at);
        if (typeof entries === "number") return errnos.wasi(entries);
        if (entries.length === 0) break;
        for (const entry of entries) {
          at = writeEntry(entry, inodeOf(descriptor.fd, entry), at, end);
          position = entry.next;
          if (at === end) break;
        }
      }
      memory.setUint32(usedAt, at - start);
      return ERRNO_SUCCESS;
    },
  };
}
