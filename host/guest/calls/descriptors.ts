/**
 * Owns the calls that a descriptor takes whatever it stands for. Knows the layouts; reads and writes nothing but the
 * table.
 */

import {
  ERRNO_BADF,
  ERRNO_FAULT,
  ERRNO_INVAL,
  ERRNO_NOTCAPABLE,
  ERRNO_NOTSUP,
  ERRNO_SUCCESS,
} from "../../wasi/errno.js";
import { FdFlags, Fdstat, Rights } from "../../wasi/layout.js";
import type { Descriptor } from "../descriptors.js";
import type { GuestContext } from "./context.js";
import { lacking } from "./files.js";

/** Flags that mean something for files only, and are no error for others. */
const FILE_FLAGS = FdFlags.APPEND | FdFlags.DSYNC | FdFlags.RSYNC | FdFlags.SYNC;

export function descriptorImports({ backend, errnos, memory, table }: GuestContext) {
  /** @returns a WASI errno */
  function setFileFlags(descriptor: Descriptor, flags: number): number {
    const changed = descriptor.fileFlags ^ (flags & FILE_FLAGS);
    // Linux ignores a change of the others: O_SYNC is set when a file is opened.
    if ((changed & ~FdFlags.APPEND) !== 0) return ERRNO_NOTSUP;
    if (changed === 0) return ERRNO_SUCCESS;
    const failed = backend.setAppend(descriptor.fd, (flags & FdFlags.APPEND) !== 0);
    if (failed < 0) return errnos.wasi(failed);
    descriptor.fileFlags = flags & FILE_FLAGS;
    return ERRNO_SUCCESS;
  }

  return {
    fd_close(fd: number): number {
      if (table.get(fd) === undefined) return ERRNO_BADF;
      const failed = table.remove(fd);
      return failed < 0 ? errnos.wasi(failed) : ERRNO_SUCCESS;
    },

    fd_renumber: (from: number, to: number): number => table.renumber(from, to),

    fd_fdstat_get(fd: number, at: number): number {
      const descriptor = table.get(fd);
      if (descriptor === undefined) return ERRNO_BADF;
      if (!memory.has(at, Fdstat.SIZE)) return ERRNO_FAULT;
      memory.slice(at, Fdstat.SIZE).fill(0);
      const { view } = memory;
      const start = at >>> 0;
      const flags = descriptor.fileFlags | (descriptor.nonBlocking ? FdFlags.NONBLOCK : 0);
      view.setUint8(start + Fdstat.FILETYPE, descriptor.filetype);
      view.setUint16(start + Fdstat.FLAGS, flags, true);
      view.setBigUint64(start + Fdstat.RIGHTS, descriptor.rights, true);
      view.setBigUint64(start + Fdstat.RIGHTS_INHERITING, descriptor.inheriting, true);
      return ERRNO_SUCCESS;
    },

    fd_fdstat_set_flags(fd: number, flags: number): number {
      const descriptor = table.get(fd);
      if (descriptor === undefined) return ERRNO_BADF;
      if ((flags & ~(FILE_FLAGS | FdFlags.NONBLOCK)) !== 0) return ERRNO_INVAL;
      const failed = lacking(descriptor, Rights.FD_FDSTAT_SET_FLAGS);
      if (failed !== ERRNO_SUCCESS) return failed;
      // Those of a file that the guest is lent are the host's.
      if (descriptor.isFile && descriptor.owned) {
        const refused = setFileFlags(descriptor, flags);
        if (refused !== ERRNO_SUCCESS) return refused;
      }
      descriptor.nonBlocking = (flags & FdFlags.NONBLOCK) !== 0;
      return ERRNO_SUCCESS;
    },

    fd_fdstat_set_rights(fd: number, rights: bigint, inheriting: bigint): number {
      const descriptor = table.get(fd);
      if (descriptor === undefined) return ERRNO_BADF;
      return descriptor.setRights(BigInt.asUintN(64, rights), BigInt.asUintN(64, inheriting))
        ? ERRNO_SUCCESS
        : ERRNO_NOTCAPABLE;
    },
  };
}
