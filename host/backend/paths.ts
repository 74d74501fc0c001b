/**
 * Owns the seam of paths: calls that take a path beneath a directory. Knows no descriptor but that of the directory.
 *
 * No path leads out of its directory: not by "..", not by a symbolic link (one that stays beneath the directory is
 * followed, an absolute one and one of /proc never are), and not while another process renames a part of the path. Each
 * path is relative, without a NUL; "." is the directory itself. A link at the end of a path is followed only where
 * `follow` says so.
 *
 * -EPERM for a path that leads out (from {@link PathCalls.openBeneath} -EXDEV, as the kernel gives it: from the others
 * that means another file system); -ENOSYS where the platform or the kernel has no openat2(2), which came with
 * Linux 5.6. Setting times by a path takes Linux 5.8.
 */

import type { FileStatus, FileTime } from "./files.js";

export interface PathCalls {
  /**
   * Opens a file beneath a directory in one step: no ".." and no symbolic link leads out of the directory, whatever
   * others rename meanwhile. The descriptor is close-on-exec. openat2(2) with RESOLVE_BENEATH and RESOLVE_NO_MAGICLINKS.
   * @param directory a descriptor of the directory
   * @param path relative to it, without a NUL; "." is the directory itself
   * @param flags those of open(2), in the numbering of the platform
   * @param mode the permissions of a file that is made (O_CREAT), less the process's umask
   * @returns the descriptor or -errno: -EXDEV for a path that leads out, -ENOSYS where the platform or the kernel has
   * no such call
   */
  openBeneath(directory: number, path: string, flags: number, mode: number): number;
  /** fstatat(2). */
  statusBeneath(directory: number, path: string, follow: boolean): FileStatus | number;
  /** utimensat(2). */
  setTimesBeneath(directory: number, path: string, follow: boolean, accessed: FileTime, modified: FileTime): number;
  /** Makes a directory; `mode` is reduced by the process's umask. mkdirat(2). */
  makeDirectoryBeneath(directory: number, path: string, mode: number): number;
  /** Removes a name of a file. unlinkat(2); -EISDIR for a directory. */
  removeFileBeneath(directory: number, path: string): number;
  /** Removes an empty directory. unlinkat(2) with AT_REMOVEDIR. */
  removeDirectoryBeneath(directory: number, path: string): number;
  /** Renames, and replaces what has the name `to`. renameat(2). */
  renameBeneath(fromDirectory: number, from: string, toDirectory: number, to: string): number;
  /** Gives a file a second name. A link is linked itself. linkat(2). */
  linkBeneath(fromDirectory: number, from: string, toDirectory: number, to: string): number;
  /** Makes a symbolic link to `target`, which is not looked at. symlinkat(2). */
  symlinkBeneath(directory: number, path: string, target: string): number;
  /** The target of a symbolic link. readlinkat(2). @returns its bytes, or -errno: -EINVAL for what is no link */
  readLinkBeneath(directory: number, path: string): Uint8Array | number;
}
