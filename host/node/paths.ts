/**
 * Owns the calls that take a path beneath a directory. The directory in which the path's last name is, or the file itself,
 * is opened by openat2(2), which lets no path lead out; the call is made on that descriptor, with a single name or none.
 * Results are -errno for a failure.
 */

import { constants } from "node:fs";
import type { Backend, FileStatus } from "../backend/backend.js";
import { createBeneathCalls } from "./beneath.js";
import { errnos } from "./constants.js";
import { TIMES_BYTES, writeTimes } from "./file-status.js";
import { AT_EMPTY_PATH, type StatusReader } from "./files.js";
import type { FileLibc } from "./libc-files.js";
import type { Libc } from "./libc.js";

/** The part of {@link Backend} that this file answers for. */
export type PathCallsOfNode = Pick<
  Backend,
  | "openBeneath"
  | "statusBeneath"
  | "setTimesBeneath"
  | "makeDirectoryBeneath"
  | "removeFileBeneath"
  | "removeDirectoryBeneath"
  | "renameBeneath"
  | "linkBeneath"
  | "symlinkBeneath"
  | "readLinkBeneath"
>;

const O_PATH = 0o10000000;
const AT_REMOVEDIR = 0x200;
/** Bytes of a path, its NUL included; the target of a link is no longer. */
const PATH_MAX = 4096;

/** A path, as the call on its last name needs it. */
interface Name {
  /** "" where it is the directory itself. */
  readonly parent: string;
  /** One name, with a slash if the path ends with one. */
  readonly name: string;
}

function nameOf(path: string): Name {
  let end = path.length;
  while (end > 0 && path[end - 1] === "/") end -= 1;
  const slash = path.lastIndexOf("/", end - 1);
  const name = path.slice(slash + 1, end);
  return { parent: path.slice(0, Math.max(slash, 0)), name: end < path.length ? `${name}/` : name };
}

export function createPathCalls(libc: Libc, status: StatusReader): PathCallsOfNode {
  const { errno } = libc;
  const { EINVAL, ENAMETOOLONG, ENOENT, ENOSYS, EPERM, EXDEV } = errnos;
  const { openBeneath } = createBeneathCalls(libc);
  const times = new BigInt64Array(TIMES_BYTES / 8);
  const timesAt = Number(libc.addressOf(times));

  /** Opens a file for its name alone: nothing is read, and no device wakes. */
  function openPath(directory: number, path: string, flags: number): number {
    const fd = openBeneath(directory, path, O_PATH | flags, 0);
    return fd === -EXDEV ? -EPERM : fd;
  }

  /** Calls with a descriptor of the file that `path` names. */
  function atFile<R>(
    directory: number,
    path: string,
    follow: boolean,
    call: (files: FileLibc, fd: number) => R,
  ): R | number {
    const files = libc.files();
    if (files === undefined) return -ENOSYS;
    const fd = openPath(directory, path, follow ? 0 : constants.O_NOFOLLOW);
    if (fd < 0) return fd;
    try {
      return call(files, fd);
    } finally {
      libc.close(fd);
    }
  }

  /** Calls with a descriptor of the directory in which the last name of `path` is, and that name. */
  function atName(
    directory: number,
    path: string,
    call: (files: FileLibc, parent: number, name: string) => number,
  ): number {
    const files = libc.files();
    if (files === undefined) return -ENOSYS;
    if (path.includes("\0")) return -EINVAL;
    if (Buffer.byteLength(path) >= PATH_MAX) return -ENAMETOOLONG;
    if (path === "") return -ENOENT;
    if (path.startsWith("/")) return -EPERM;
    const { parent, name } = nameOf(path);
    if (parent === "") return call(files, directory, name);
    const fd = openPath(directory, parent, constants.O_DIRECTORY);
    if (fd < 0) return fd;
    try {
      return call(files, fd, name);
    } finally {
      libc.close(fd);
    }
  }

  const result = (value: number): number => (value < 0 ? -errno() : 0);

  /** The kernel would follow a link whose name ends with a slash, wherever it leads: a directory cannot be linked anyway. */
  function refusedSource(directory: number, path: string): number {
    const found = atFile<FileStatus | number>(directory, path, false, (files, fd) => status.of(files, fd));
    return typeof found === "number" ? found : -EPERM;
  }

  return {
    openBeneath,
    statusBeneath: (directory, path, follow) => atFile(directory, path, follow, (files, fd) => status.of(files, fd)),
    setTimesBeneath: (directory, path, follow, accessed, modified) =>
      atFile(directory, path, follow, (files, fd) => {
        writeTimes(times, accessed, modified);
        return result(files.utimensat(fd, "", timesAt, AT_EMPTY_PATH));
      }),
    makeDirectoryBeneath: (directory, path, mode) =>
      atName(directory, path, (files, parent, name) => result(files.mkdirat(parent, name, mode))),
    removeFileBeneath: (directory, path) =>
      atName(directory, path, (files, parent, name) => result(files.unlinkat(parent, name, 0))),
    removeDirectoryBeneath: (directory, path) =>
      atName(directory, path, (files, parent, name) => result(files.unlinkat(parent, name, AT_REMOVEDIR))),
    renameBeneath: (fromDirectory, from, toDirectory, to) =>
      atName(fromDirectory, from, (_, fromParent, fromName) =>
        atName(toDirectory, to, (files, toParent, toName) =>
          result(files.renameat(fromParent, fromName, toParent, toName)),
        ),
      ),
    linkBeneath: (fromDirectory, from, toDirectory, to) =>
      from.endsWith("/")
        ? refusedSource(fromDirectory, from)
        : atName(fromDirectory, from, (_, fromParent, fromName) =>
            atName(toDirectory, to, (files, toParent, toName) =>
              result(files.linkat(fromParent, fromName, toParent, toName, 0)),
            ),
          ),
    symlinkBeneath: (directory, path, target) =>
      target.includes("\0")
        ? -EINVAL
        : atName(directory, path, (files, parent, name) => result(files.symlinkat(target, parent, name))),
    readLinkBeneath: (directory, path) =>
      atFile<Uint8Array | number>(directory, path, false, (files, fd) => {
        const target = new Uint8Array(PATH_MAX);
        const length = files.readlinkat(fd, "", Number(libc.addressOf(target)), PATH_MAX);
        if (length >= 0) return target.slice(0, length);
        const failed = errno();
        // Of a descriptor that is no link.
        return failed === ENOENT ? -EINVAL : -failed;
      }),
  };
}
