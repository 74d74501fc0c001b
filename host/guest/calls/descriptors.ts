/**
 * Owns the calls that a descriptor takes whatever it stands for, and the answers to those that need a file or a
 * directory: a guest has neither. Knows the layouts; reads and writes nothing but the table.
 */

import {
  ERRNO_BADF,
  ERRNO_FAULT,
  ERRNO_INVAL,
  ERRNO_NOTDIR,
  ERRNO_NOTSUP,
  ERRNO_SPIPE,
  ERRNO_SUCCESS,
} from "../../wasi/errno.js";
import type { GuestContext } from "./context.js";
import type { Descriptor } from "../descriptors.js";
import { FdFlags, Fdstat, Filestat, Rights } from "../../wasi/layout.js";

/** Flags that mean something for files only, and are no error for others. */
const FILE_FLAGS = FdFlags.APPEND | FdFlags.DSYNC | FdFlags.RSYNC | FdFlags.SYNC;

function rightsOf(descriptor: Descriptor): bigint {
  let rights = Rights.FD_FDSTAT_SET_FLAGS | Rights.FD_FILESTAT_GET | Rights.POLL_FD_READWRITE;
  if (descriptor.readable) rights |= Rights.FD_READ;
  if (descriptor.writable) rights |= Rights.FD_WRITE;
  return descriptor.isSocket ? rights | Rights.SOCK_ACCEPT | Rights.SOCK_SHUTDOWN : rights;
}

export function descriptorImports({ errnos, memory, table }: GuestContext) {
  /** The errno for an open descriptor that is not of the kind the call needs. */
  function unfit(fd: number, errno: number): number {
    return table.get(fd) === undefined ? ERRNO_BADF : errno;
  }
  const notDirectory = (fd: number): number => unfit(fd, ERRNO_NOTDIR);
  const notSeekable = (fd: number): number => unfit(fd, ERRNO_SPIPE);
  const notFile = (fd: number): number => unfit(fd, ERRNO_INVAL);
  const notSupported = (fd: number): number => unfit(fd, ERRNO_NOTSUP);

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
      view.setUint8(start + Fdstat.FILETYPE, descriptor.filetype);
      view.setUint16(start + Fdstat.FLAGS, descriptor.nonBlocking ? FdFlags.NONBLOCK : 0, true);
      view.setBigUint64(start + Fdstat.RIGHTS, rightsOf(descriptor), true);
      return ERRNO_SUCCESS;
    },

    fd_fdstat_set_flags(fd: number, flags: number): number {
      const descriptor = table.get(fd);
      if (descriptor === undefined) return ERRNO_BADF;
      if ((flags & ~(FILE_FLAGS | FdFlags.NONBLOCK)) !== 0) return ERRNO_INVAL;
      descriptor.nonBlocking = (flags & FdFlags.NONBLOCK) !== 0;
      return ERRNO_SUCCESS;
    },

    fd_filestat_get(fd: number, at: number): number {
      const descriptor = table.get(fd);
      if (descriptor === undefined) return ERRNO_BADF;
      if (!memory.has(at, Filestat.SIZE)) return ERRNO_FAULT;
      memory.slice(at, Filestat.SIZE).fill(0);
      memory.view.setUint8((at >>> 0) + Filestat.FILETYPE, descriptor.filetype);
      memory.view.setBigUint64((at >>> 0) + Filestat.NLINK, 1n, true);
      return ERRNO_SUCCESS;
    },

    // EBADF ends a guest's search for directories.
    fd_prestat_get: (_fd: number, _at: number): number => ERRNO_BADF,
    fd_prestat_dir_name: (_fd: number, _pathAt: number, _length: number): number => ERRNO_BADF,

    fd_advise: notSeekable,
    fd_allocate: notSeekable,
    fd_pread: notSeekable,
    fd_pwrite: notSeekable,
    fd_seek: notSeekable,
    fd_tell: notSeekable,
    fd_datasync: notFile,
    fd_sync: notFile,
    fd_filestat_set_size: notFile,
    fd_filestat_set_times: notSupported,
    fd_fdstat_set_rights: notSupported,
    fd_readdir: notDirectory,

    path_create_directory: notDirectory,
    path_filestat_get: notDirectory,
    path_filestat_set_times: notDirectory,
    path_link: notDirectory,
    path_open: notDirectory,
    path_readlink: notDirectory,
    path_remove_directory: notDirectory,
    path_rename: notDirectory,
    path_symlink: (_targetAt: number, _length: number, fd: number): number => notDirectory(fd),
    path_unlink_file: notDirectory,
  };
}
