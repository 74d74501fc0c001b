/**
 * Owns the calls that take a path: it is relative to a directory that the guest has open, and leads nowhere else, which
 * the backend sees to. Knows the layouts; leaves path_open to {@link createOpenCall}.
 */

import { ERRNO_BADF, ERRNO_FAULT, ERRNO_INVAL, ERRNO_NOTDIR, ERRNO_PERM, ERRNO_SUCCESS } from "../../wasi/errno.js";
import { Filestat, Rights, SYMLINK_FOLLOW } from "../../wasi/layout.js";
import type { Descriptor } from "../descriptors.js";
import { timesOf, writeStatus } from "../file-status.js";
import { readPath } from "../paths.js";
import type { GuestContext } from "./context.js";
import { lacking } from "./files.js";

/** Permissions of a directory, less the host's umask. */
const DIRECTORY_MODE = 0o777;

/** Calls with a directory that has `rights`, and a path that the guest has written. @returns a WASI errno */
export function withPath(
  { memory, table }: GuestContext,
  fd: number,
  rights: bigint,
  pathAt: number,
  pathLength: number,
  call: (directory: Descriptor, path: string) => number,
): number {
  const directory = table.get(fd);
  if (directory === undefined) return ERRNO_BADF;
  if (!directory.isDirectory) return ERRNO_NOTDIR;
  const path = readPath(memory, pathAt, pathLength);
  if (typeof path === "number") return path;
  return lacking(directory, rights) || call(directory, path);
}

export function createPathCalls(context: GuestContext) {
  const { backend, errnos, memory } = context;

  const errnoOf = (result: number): number => (result < 0 ? errnos.wasi(result) : ERRNO_SUCCESS);
  const isLookup = (flags: number): boolean => (flags & ~SYMLINK_FOLLOW) === 0;

  return {
    path_create_directory: (fd: number, pathAt: number, pathLength: number): number =>
      withPath(context, fd, Rights.PATH_CREATE_DIRECTORY, pathAt, pathLength, (directory, path) =>
        errnoOf(backend.makeDirectoryBeneath(directory.fd, path, DIRECTORY_MODE)),
      ),

    path_filestat_get: (fd: number, flags: number, pathAt: number, pathLength: number, at: number): number =>
      withPath(context, fd, Rights.PATH_FILESTAT_GET, pathAt, pathLength, (directory, path) => {
        if (!memory.has(at, Filestat.SIZE)) return ERRNO_FAULT;
        if (!isLookup(flags)) return ERRNO_INVAL;
        const status = backend.statusBeneath(directory.fd, path, flags !== 0);
        if (typeof status === "number") return errnos.wasi(status);
        writeStatus(memory, at, status);
        return ERRNO_SUCCESS;
      }),

    path_filestat_set_times: (
      fd: number,
      lookup: number,
      pathAt: number,
      pathLength: number,
      accessedNs: bigint,
      modifiedNs: bigint,
      flags: number,
    ): number =>
      withPath(context, fd, Rights.PATH_FILESTAT_SET_TIMES, pathAt, pathLength, (directory, path) => {
        const times = timesOf(accessedNs, modifiedNs, flags);
        if (times === undefined || !isLookup(lookup)) return ERRNO_INVAL;
        return errnoOf(backend.setTimesBeneath(directory.fd, path, lookup !== 0, ...times));
      }),

    path_link: (
      fromFd: number,
      lookup: number,
      fromAt: number,
      fromLength: number,
      toFd: number,
      toAt: number,
      toLength: number,
    ): number =>
      withPath(context, fromFd, Rights.PATH_LINK_SOURCE, fromAt, fromLength, (fromDirectory, from) =>
        withPath(context, toFd, Rights.PATH_LINK_TARGET, toAt, toLength, (toDirectory, to) => {
          // Linux cannot link the target of a link beneath a directory in one step.
          if (lookup !== 0) return ERRNO_INVAL;
          return errnoOf(backend.linkBeneath(fromDirectory.fd, from, toDirectory.fd, to));
        }),
      ),

    path_readlink: (
      fd: number,
      pathAt: number,
      pathLength: number,
      bufferAt: number,
      length: number,
      usedAt: number,
    ): number =>
      withPath(context, fd, Rights.PATH_READLINK, pathAt, pathLength, (directory, path) => {
        if (!memory.has(bufferAt, length) || !memory.has(usedAt, 4)) return ERRNO_FAULT;
        const target = backend.readLinkBeneath(directory.fd, path);
        if (typeof target === "number") return errnos.wasi(target);
        const used = Math.min(target.length, length >>> 0);
        memory.bytes.set(target.subarray(0, used), bufferAt >>> 0);
        memory.setUint32(usedAt, used);
        return ERRNO_SUCCESS;
      }),

    path_remove_directory: (fd: number, pathAt: number, pathLength: number): number =>
      withPath(context, fd, Rights.PATH_REMOVE_DIRECTORY, pathAt, pathLength, (directory, path) =>
        errnoOf(backend.removeDirectoryBeneath(directory.fd, path)),
      ),

    path_rename: (
      fromFd: number,
      fromAt: number,
      fromLength: number,
      toFd: number,
      toAt: number,
      toLength: number,
    ): number =>
      withPath(context, fromFd, Rights.PATH_RENAME_SOURCE, fromAt, fromLength, (fromDirectory, from) =>
        withPath(context, toFd, Rights.PATH_RENAME_TARGET, toAt, toLength, (toDirectory, to) =>
          errnoOf(backend.renameBeneath(fromDirectory.fd, from, toDirectory.fd, to)),
        ),
      ),

    path_symlink: (targetAt: number, targetLength: number, fd: number, pathAt: number, pathLength: number): number =>
      withPath(context, fd, Rights.PATH_SYMLINK, pathAt, pathLength, (directory, path) => {
        const target = readPath(memory, targetAt, targetLength);
        if (typeof target === "number") return target;
        // No guest could follow it, and a program of the host that does would be led astray.
        if (target.startsWith("/")) return ERRNO_PERM;
        return errnoOf(backend.symlinkBeneath(directory.fd, path, target));
      }),

    path_unlink_file: (fd: number, pathAt: number, pathLength: number): number =>
      withPath(context, fd, Rights.PATH_UNLINK_FILE, pathAt, pathLength, (directory, path) =>
        errnoOf(backend.removeFileBeneath(directory.fd, path)),
      ),
  };
}
