/**
 * Owns path_open: which of the operating system's flags a guest's flags and rights ask for, and what the opened file may
 * be used for. Knows the layouts and the backend seam.
 */

import { constants } from "node:fs";
import {
  ERRNO_FAULT,
  ERRNO_INVAL,
  ERRNO_MFILE,
  ERRNO_NOTCAPABLE,
  ERRNO_PERM,
  ERRNO_ROFS,
  ERRNO_SUCCESS,
  ERRNO_XDEV,
} from "../../wasi/errno.js";
import { FdFlags, Filetype, OFlags, Rights, SYMLINK_FOLLOW } from "../../wasi/layout.js";
import { Descriptor } from "../descriptors.js";
import { filetypeOf } from "../file-status.js";
import {
  CHANGING_RIGHTS,
  DIRECTORY_RIGHTS,
  FILE_RIGHTS,
  givenRights,
  INHERITED_RIGHTS,
  wantsReading,
  wantsWriting,
  WRITE_FILE,
} from "../rights.js";
import type { GuestContext } from "./context.js";
import { withPath } from "./paths.js";

/** Permissions of a file that is made, less the host's umask. */
const FILE_MODE = 0o666;
const ALL_OFLAGS = OFlags.CREAT | OFlags.DIRECTORY | OFlags.EXCL | OFlags.TRUNC;
const FILE_FLAGS = FdFlags.APPEND | FdFlags.DSYNC | FdFlags.RSYNC | FdFlags.SYNC;

/** The rights that it takes to open something so, beneath a directory. */
function neededRights(oflags: number): bigint {
  let rights = Rights.PATH_OPEN;
  if ((oflags & OFlags.CREAT) !== 0) rights |= Rights.PATH_CREATE_FILE;
  if ((oflags & OFlags.TRUNC) !== 0) rights |= Rights.PATH_FILESTAT_SET_SIZE;
  return rights;
}

/** Never waits for the other end of a named pipe, and makes no terminal the process's own. */
function openFlags(lookup: number, oflags: number, fdflags: number, rights: bigint): number {
  let flags = constants.O_NONBLOCK | constants.O_NOCTTY;
  if ((lookup & SYMLINK_FOLLOW) === 0) flags |= constants.O_NOFOLLOW;
  if ((oflags & OFlags.DIRECTORY) !== 0) flags |= constants.O_DIRECTORY;
  if (wantsWriting(rights)) flags |= wantsReading(rights) ? constants.O_RDWR : constants.O_WRONLY;
  if ((oflags & OFlags.CREAT) !== 0) flags |= constants.O_CREAT;
  if ((oflags & OFlags.EXCL) !== 0) flags |= constants.O_EXCL;
  if ((oflags & OFlags.TRUNC) !== 0) flags |= constants.O_TRUNC;
  if ((fdflags & FdFlags.APPEND) !== 0) flags |= constants.O_APPEND;
  if ((fdflags & FdFlags.DSYNC) !== 0) flags |= constants.O_DSYNC;
  if ((fdflags & (FdFlags.SYNC | FdFlags.RSYNC)) !== 0) flags |= constants.O_SYNC;
  return flags;
}

/** A directory with these flags is neither made nor truncated. */
function isContradiction(oflags: number): boolean {
  const others = OFlags.CREAT | OFlags.EXCL | OFlags.TRUNC;
  return (oflags & OFlags.DIRECTORY) !== 0 && (oflags & others) !== 0;
}

export function createOpenCall(context: GuestContext) {
  const { backend, errnos, memory, table } = context;

  /** What the guest gets for a file that is open. @returns the descriptor, or a WASI errno */
  function describe(
    directory: Descriptor,
    fd: number,
    rights: bigint,
    inheriting: bigint,
    fdflags: number,
  ): Descriptor | number {
    const status = backend.status(fd);
    if (typeof status === "number") return errnos.wasi(status);
    const filetype = filetypeOf(status.kind);
    const isDirectory = filetype === Filetype.DIRECTORY;
    const writable = !isDirectory && (rights & Rights.FD_WRITE) !== 0n;
    const readable = !isDirectory && (rights & Rights.FD_READ) !== 0n;
    const possible = possibleRights(filetype, readable, writable) & (wantsWriting(rights) ? ~0n : ~WRITE_FILE);
    return new Descriptor({
      fd,
      filetype,
      readable,
      writable,
      owned: true,
      nonBlocking: (fdflags & FdFlags.NONBLOCK) !== 0,
      rights: rights & possible & (directory.isReadOnly ? ~CHANGING_RIGHTS : possible),
      inheriting: isDirectory ? inheriting & directory.inheriting & INHERITED_RIGHTS : 0n,
      fileFlags: isDirectory ? 0 : fdflags & FILE_FLAGS,
      isReadOnly: directory.isReadOnly,
    });
  }

  function open(
    directory: Descriptor,
    path: string,
    lookup: number,
    oflags: number,
    rights: bigint,
    inheriting: bigint,
    fdflags: number,
  ): Descriptor | number {
    if ((lookup & ~SYMLINK_FOLLOW) !== 0 || (oflags & ~ALL_OFLAGS) !== 0) return ERRNO_INVAL;
    if ((fdflags & ~(FILE_FLAGS | FdFlags.NONBLOCK)) !== 0 || isContradiction(oflags)) return ERRNO_INVAL;
    if ((rights & INHERITED_RIGHTS & ~directory.inheriting) !== 0n) return ERRNO_NOTCAPABLE;
    if (directory.isReadOnly && wantsWriting(rights) && (oflags & OFlags.DIRECTORY) === 0) return ERRNO_ROFS;
    if (table.isFull) return ERRNO_MFILE;
    const fd = backend.openBeneath(directory.fd, path, openFlags(lookup, oflags, fdflags, rights), FILE_MODE);
    if (fd < 0) {
      const errno = errnos.wasi(fd);
      return errno === ERRNO_XDEV ? ERRNO_PERM : errno;
    }
    const descriptor = describe(directory, fd, rights, inheriting, fdflags);
    if (typeof descriptor === "number") backend.close(fd);
    return descriptor;
  }

  return {
    path_open: (
      fd: number,
      lookup: number,
      pathAt: number,
      pathLength: number,
      oflags: number,
      rights: bigint,
      inheriting: bigint,
      fdflags: number,
      resultAt: number,
    ): number =>
      withPath(context, fd, neededRights(oflags), pathAt, pathLength, (directory, path) => {
        if (!memory.has(resultAt, 4)) return ERRNO_FAULT;
        const opened = open(directory, path, lookup, oflags, rights, inheriting, fdflags);
        if (typeof opened === "number") return opened;
        memory.setUint32(resultAt, table.add(opened));
        return ERRNO_SUCCESS;
      }),
  };
}

function possibleRights(filetype: number, readable: boolean, writable: boolean): bigint {
  if (filetype === Filetype.DIRECTORY) return DIRECTORY_RIGHTS;
  return filetype === Filetype.REGULAR_FILE ? FILE_RIGHTS : givenRights(filetype, readable, writable);
}
