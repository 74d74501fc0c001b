/** Owns how a path leads to a file: ".." and symbolic links in it, permissions to search, lengths. Changes nothing. */

import { E } from "./file.js";
import { type Inode, Permission } from "./inode.js";
import { DirectoryInode, LinkInode } from "./nodes.js";

/** Bytes of a path, its NUL included, and of a name. */
const PATH_MAX = 4096;
const NAME_MAX = 255;
const LINKS_MAX = 40;

const encoder = new TextEncoder();

/** Where a path leads. */
export interface Place {
  /** What its last name is in. */
  readonly directory: DirectoryInode;
  /** Its last name: "." and ".." are of the directory that `inode` is. */
  readonly name: string;
  readonly inode: Inode | undefined;
  /** Does the path end with a slash? Then it is to be that of a directory. */
  readonly isSlashed: boolean;
}

/**
 * What happens to a symbolic link at the end of a path: "follow"; "keep" it unless a slash comes after it, as O_NOFOLLOW
 * does; or it is a "name" that is made, removed or changed, which may be "..": whether it can be looked up is to be asked of
 * {@link searchFailure} and {@link lookupFailure}, when the directories of a call have been found.
 */
export type Last = "follow" | "keep" | "name";

/**
 * @param start where the path begins
 * @param root where absolute paths begin; undefined: no path leads out of `start`
 * @param makesFile is a file made where there is none? Then no slash comes after its name
 * @returns -EXDEV for a path that leads out
 */
export function resolve(
  start: DirectoryInode,
  path: string,
  last: Last,
  root?: DirectoryInode,
  makesFile = false,
): Place | number {
  const wrong = pathFailure(path);
  if (wrong < 0) return wrong;
  if (path.startsWith("/") && root === undefined) return -E.EXDEV;
  let at = path.startsWith("/") && root !== undefined ? root : start;
  let isSlashed = path.endsWith("/");
  /** The next name is at the end. */
  const names = namesOf(path);
  let links = 0;
  while (true) {
    const name = names.pop();
    if (name === undefined) return { directory: at, name: ".", inode: at, isSlashed };
    const isLast = names.length === 0;
    const isKept = isLast && last === "name";
    if (!isKept && !at.allows(Permission.SEARCH)) return -E.EACCES;
    if (name === ".") {
      if (isLast) return { directory: at, name, inode: at, isSlashed };
      continue;
    }
    if (name === "..") {
      if (isKept) return { directory: at, name, inode: at.parent, isSlashed };
      if (at === start && root === undefined) return -E.EXDEV;
      at = at.parent;
      if (isLast) return { directory: at, name, inode: at, isSlashed };
      continue;
    }
    if (isLast && isSlashed && makesFile) return -E.EISDIR;
    const failed = isKept ? 0 : lookupFailure(at, name);
    if (failed < 0) return failed;
    const inode = at.find(name);
    if (inode instanceof LinkInode && (!isLast || last === "follow" || (last === "keep" && isSlashed))) {
      links += 1;
      if (links > LINKS_MAX) return -E.ELOOP;
      const { target } = inode;
      if (target.startsWith("/")) {
        if (root === undefined) return -E.EXDEV;
        at = root;
      }
      if (isLast) isSlashed ||= target.endsWith("/");
      names.push(...namesOf(target));
      continue;
    }
    if (isLast) return { directory: at, name, inode, isSlashed };
    if (inode === undefined) return -E.ENOENT;
    if (!(inode instanceof DirectoryInode)) return -E.ENOTDIR;
    at = inode;
  }
}

/** Can there be such a name in a directory? 0, or -errno. */
export function lookupFailure(directory: DirectoryInode, name: string): number {
  if (directory.isRemoved) return -E.ENOENT;
  return encoder.encode(name).length > NAME_MAX ? -E.ENAMETOOLONG : 0;
}

/** May the directory be searched for the last name, which {@link resolve} leaves open for a "name"? 0, or -errno. */
export function searchFailure({ directory }: Place): number {
  return directory.allows(Permission.SEARCH) ? 0 : -E.EACCES;
}

/** What is wrong with a path wherever it is used: 0, or -errno. */
export function pathFailure(path: string): number {
  if (path.includes("\0")) return -E.EINVAL;
  if (path === "") return -E.ENOENT;
  return encoder.encode(path).length >= PATH_MAX ? -E.ENAMETOOLONG : 0;
}

/** Its names, the first one at the end. */
function namesOf(path: string): string[] {
  return path
    .split("/")
    .filter((name) => name !== "")
    .toReversed();
}
