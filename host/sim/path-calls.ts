/** Owns the calls of the seam on paths beneath a directory for one simulated host: finds the directory that a call is about. */

import type { PathCalls } from "../backend/backend.js";
import type { Descriptors } from "./descriptors.js";
import { E } from "./file.js";
import { OpenDirectory } from "./files.js";
import type { DirectoryInode } from "./nodes.js";
import { pathFailure } from "./resolve.js";
import type { FileTree } from "./tree.js";

export function createPathCalls(descriptors: Descriptors, tree: FileTree): PathCalls {
  /** The directory that `fd` is; or -errno. */
  function directoryOf(fd: number): DirectoryInode | number {
    const file = descriptors.of(fd);
    if (file === undefined) return -E.EBADF;
    return file instanceof OpenDirectory ? file.inode : -E.ENOTDIR;
  }

  /** Calls with the directory that `fd` is. */
  function beneath<R>(fd: number, path: string, call: (directory: DirectoryInode) => R): R | number {
    // A path that cannot be is found out before its directory is looked at.
    const failed = pathFailure(path);
    if (failed < 0) return failed;
    const directory = directoryOf(fd);
    const result = typeof directory === "number" ? directory : call(directory);
    // EXDEV is left to mean another file system.
    return result === -E.EXDEV ? -E.EPERM : result;
  }

  /** The same for two directories: the second path is looked at when the first one has been. */
  function beneathBoth(
    from: number,
    path: string,
    to: number,
    call: (from: DirectoryInode, to: DirectoryInode) => number,
  ): number {
    return beneath(from, path, (source) => {
      const target = directoryOf(to);
      return typeof target === "number" ? target : call(source, target);
    });
  }

  return {
    openBeneath(fd, path, flags, mode) {
      const directory = directoryOf(fd);
      if (typeof directory === "number") return directory;
      const refused = descriptors.refusal();
      if (refused < 0) return refused;
      const opened = tree.open(directory, path, flags, mode);
      return typeof opened === "number" ? opened : descriptors.add(opened);
    },
    statusBeneath: (fd, path, follow) => beneath(fd, path, (directory) => tree.status(directory, path, follow)),
    setTimesBeneath: (fd, path, follow, accessed, modified) =>
      beneath(fd, path, (directory) => tree.setTimes(directory, path, follow, accessed, modified)),
    makeDirectoryBeneath: (fd, path, mode) =>
      beneath(fd, path, (directory) => tree.makeDirectory(directory, path, mode)),
    removeFileBeneath: (fd, path) => beneath(fd, path, (directory) => tree.removeFile(directory, path)),
    removeDirectoryBeneath: (fd, path) => beneath(fd, path, (directory) => tree.removeDirectory(directory, path)),
    renameBeneath: (fromFd, from, toFd, to) =>
      beneathBoth(fromFd, from, toFd, (source, target) => tree.rename(source, from, target, to)),
    linkBeneath: (fromFd, from, toFd, to) =>
      beneathBoth(fromFd, from, toFd, (source, target) => tree.link(source, from, target, to)),
    symlinkBeneath: (fd, path, target) => beneath(fd, path, (directory) => tree.symlink(directory, path, target)),
    readLinkBeneath: (fd, path) => beneath(fd, path, (directory) => tree.readLink(directory, path)),
  };
}
