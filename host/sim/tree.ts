/**
 * Owns the tree of a simulated host's files: making, opening, linking, renaming and removing them by path, by a host's one
 * user. Knows how a path is resolved; knows no descriptor. Results are -errno for a failure.
 */

import type { FileStatus, FileTime } from "../backend/backend.js";
import { lengthOf } from "../backend/bytes.js";
import { E, type SimFile } from "./file.js";
import { Open, OpenDirectory, OpenFile, OpenPath } from "./files.js";
import { type Inode, Permission, type Volume } from "./inode.js";
import { DirectoryInode, FileInode, LinkInode, SocketInode } from "./nodes.js";
import { lookupFailure, pathFailure, type Place, resolve, searchFailure } from "./resolve.js";

const UMASK = 0o022;
const ENTER = Permission.WRITE | Permission.SEARCH;

const encoder = new TextEncoder();

export class FileTree {
  readonly volume: Volume;
  readonly root: DirectoryInode;

  constructor(volume: Volume) {
    this.volume = volume;
    this.root = new DirectoryInode(volume, 0o755);
  }

  /** open(2). @param root where absolute paths begin; undefined: no path leads out of `start` */
  open(start: DirectoryInode, path: string, flags: number, mode: number, root?: DirectoryInode): SimFile | number {
    const makes = (flags & Open.CREATE) !== 0 && (flags & Open.PATH) === 0;
    const isNew = makes && (flags & Open.EXCLUSIVE) !== 0;
    if (makes && (flags & Open.DIRECTORY) !== 0) return -E.EINVAL;
    const place = resolve(start, path, isNew || (flags & Open.NO_FOLLOW) !== 0 ? "keep" : "follow", root, makes);
    if (typeof place === "number") return place;
    const { inode } = place;
    if (inode === undefined) return makes ? this.#openNew(place, flags, mode) : -E.ENOENT;
    if (isNew) return -E.EEXIST;
    return openFound(inode, flags, place.isSlashed, makes);
  }

  #openNew({ directory, name }: Place, flags: number, mode: number): SimFile | number {
    const failed = changing(directory);
    if (failed < 0) return failed;
    const made = new FileInode(this.volume, mode & ~UMASK);
    directory.set(name, made);
    // Whatever the mode says: it is for those who open the file later.
    return new OpenFile(made, flags);
  }

  status(start: DirectoryInode, path: string, follow: boolean): FileStatus | number {
    const inode = existing(start, path, follow);
    return typeof inode === "number" ? inode : inode.status();
  }

  setTimes(start: DirectoryInode, path: string, follow: boolean, accessed: FileTime, modified: FileTime): number {
    const inode = existing(start, path, follow);
    if (typeof inode === "number") return inode;
    inode.setTimes(accessed, modified);
    return 0;
  }

  makeDirectory(start: DirectoryInode, path: string, mode: number): number {
    const place = resolve(start, path, "name");
    if (typeof place === "number") return place;
    const failed = naming({ ...place, isSlashed: false });
    if (failed < 0) return failed;
    place.directory.set(place.name, new DirectoryInode(this.volume, mode & ~UMASK, place.directory));
    return 0;
  }

  /** @param root where absolute paths begin; undefined: no path leads out of `start` */
  removeFile(start: DirectoryInode, path: string, root?: DirectoryInode): number {
    const place = resolve(start, path, "name", root);
    if (typeof place === "number") return place;
    const { directory, name, inode } = place;
    const unseen = searchFailure(place);
    if (unseen < 0 || isDots(name)) return unseen || -E.EISDIR;
    if (inode === undefined) return lookupFailure(directory, name) || -E.ENOENT;
    const failed = changing(directory);
    if (inode instanceof DirectoryInode || failed < 0) return failed < 0 ? failed : -E.EISDIR;
    if (place.isSlashed) return -E.ENOTDIR;
    directory.remove(name);
    unlinked(inode);
    return 0;
  }

  removeDirectory(start: DirectoryInode, path: string): number {
    const place = resolve(start, path, "name");
    if (typeof place === "number") return place;
    const { directory, name, inode } = place;
    const unseen = searchFailure(place);
    if (unseen < 0 || isDots(name)) return unseen || (name === "." ? -E.EINVAL : -E.ENOTEMPTY);
    if (inode === undefined) return lookupFailure(directory, name) || -E.ENOENT;
    const failed = changing(directory);
    if (failed < 0) return failed;
    if (!(inode instanceof DirectoryInode)) return -E.ENOTDIR;
    if (!inode.isEmpty) return -E.ENOTEMPTY;
    directory.remove(name);
    unlinked(inode);
    return 0;
  }

  rename(fromStart: DirectoryInode, from: string, toStart: DirectoryInode, to: string): number {
    const source = resolve(fromStart, from, "name");
    if (typeof source === "number") return source;
    const target = resolve(toStart, to, "name");
    if (typeof target === "number") return target;
    const unseen = searchFailure(source) || searchFailure(target);
    if (unseen < 0 || isDots(source.name) || isDots(target.name)) return unseen || -E.EBUSY;
    const moved = source.inode;
    if (moved === undefined) return lookupFailure(source.directory, source.name) || -E.ENOENT;
    const wrong = lookupFailure(target.directory, target.name);
    if (wrong < 0) return wrong;
    const replaced = target.inode;
    const isSlashed = source.isSlashed || target.isSlashed;
    if (isSlashed && !(moved instanceof DirectoryInode)) return -E.ENOTDIR;
    if (moved instanceof DirectoryInode && moved.isAbove(target.directory)) return -E.EINVAL;
    if (replaced instanceof DirectoryInode && replaced.isAbove(source.directory)) return -E.ENOTEMPTY;
    // Two names of one file: both stay.
    if (moved === replaced) return 0;
    const failed =
      changing(source.directory) || changing(target.directory) || replacing(moved, replaced, target.directory);
    if (failed < 0) return failed;
    source.directory.remove(source.name);
    target.directory.set(target.name, moved);
    if (replaced !== undefined) unlinked(replaced);
    moved.wasChanged();
    return 0;
  }

  link(fromStart: DirectoryInode, from: string, toStart: DirectoryInode, to: string): number {
    const source = resolve(fromStart, from, from.endsWith("/") ? "keep" : "name");
    if (typeof source === "number") return source;
    const { inode } = source;
    if (source.isSlashed)
      return inode === undefined ? -E.ENOENT : inode instanceof DirectoryInode ? -E.EPERM : -E.ENOTDIR;
    const target = resolve(toStart, to, "name");
    if (typeof target === "number") return target;
    const unseen = searchFailure(source);
    if (inode === undefined || unseen < 0) return unseen || lookupFailure(source.directory, source.name) || -E.ENOENT;
    const failed = naming(target);
    if (failed < 0) return failed;
    if (inode instanceof DirectoryInode) return -E.EPERM;
    target.directory.set(target.name, inode);
    inode.links += 1;
    inode.wasChanged();
    return 0;
  }

  symlink(start: DirectoryInode, path: string, target: string): number {
    if (target.includes("\0")) return -E.EINVAL;
    const place = resolve(start, path, "name");
    if (typeof place === "number") return place;
    const failed = pathFailure(target) || naming(place);
    if (failed < 0) return failed;
    place.directory.set(place.name, new LinkInode(this.volume, target));
    return 0;
  }

  readLink(start: DirectoryInode, path: string): Uint8Array | number {
    const inode = existing(start, path, false);
    if (typeof inode === "number") return inode;
    return inode instanceof LinkInode ? encoder.encode(inode.target) : -E.EINVAL;
  }

  /** Makes a file with its directories, or replaces what it holds. @param path from the root. @returns 0, or -errno */
  write(path: string, bytes: Uint8Array): number {
    const failed = this.makeParents(path);
    if (failed < 0) return failed;
    const flags = Open.WRITE | Open.CREATE | Open.TRUNCATE;
    const file = this.open(this.root, path, flags, 0o644, this.root);
    if (typeof file === "number") return file;
    if (!(file instanceof OpenFile)) return -E.EISDIR;
    const written = file.write(bytes);
    return written < 0 ? written : written === lengthOf(bytes) ? 0 : -E.EFBIG;
  }

  /** What a file holds; undefined where there is none. */
  read(path: string): Uint8Array | undefined {
    const inode = this.#find(path);
    return inode instanceof FileInode ? inode.read(0, inode.size) : undefined;
  }

  /** Gives a socket a path; directories are made, since most programs put sockets into /tmp or /run. @returns its inode, or -errno */
  bindSocket(path: string, socket: SimFile): SocketInode | number {
    const made = this.makeParents(path);
    if (made < 0) return made;
    const place = resolve(this.root, path, "name", this.root);
    if (typeof place === "number") return place;
    const failed = place.inode === undefined ? naming(place) : -E.EADDRINUSE;
    if (failed < 0) return failed;
    const inode = new SocketInode(this.volume, socket);
    place.directory.set(place.name, inode);
    return inode;
  }

  /** The socket that has a path, perhaps after it was closed; undefined for another file; or -errno. */
  socketAt(path: string): SocketInode | undefined | number {
    const place = resolve(this.root, path, "follow", this.root);
    if (typeof place === "number") return place;
    if (place.inode === undefined) return -E.ENOENT;
    return place.inode instanceof SocketInode ? place.inode : undefined;
  }

  #find(path: string): Inode | undefined {
    const place = resolve(this.root, path, "follow", this.root);
    return typeof place === "number" ? undefined : place.inode;
  }

  /** Makes the directories of a path from the root, all but the last name. @returns 0, or -errno */
  makeParents(path: string): number {
    for (let slash = path.indexOf("/", 1); slash >= 0; slash = path.indexOf("/", slash + 1)) {
      const place = resolve(this.root, path.slice(0, slash), "follow", this.root);
      if (typeof place === "number") return place;
      if (place.inode instanceof DirectoryInode) continue;
      if (place.inode !== undefined) return -E.ENOTDIR;
      const failed = changing(place.directory);
      if (failed < 0) return failed;
      place.directory.set(place.name, new DirectoryInode(this.volume, 0o755, place.directory));
    }
    return 0;
  }
}

function openFound(inode: Inode, flags: number, isSlashed: boolean, makes: boolean): SimFile | number {
  const needsDirectory = isSlashed || (flags & Open.DIRECTORY) !== 0;
  if (inode instanceof DirectoryInode) {
    if ((flags & Open.PATH) !== 0) return new OpenDirectory(inode, false);
    if (makes || (flags & Open.ACCESS) !== 0) return -E.EISDIR;
    return inode.allows(Permission.READ) ? new OpenDirectory(inode) : -E.EACCES;
  }
  if (needsDirectory) return -E.ENOTDIR;
  if ((flags & Open.PATH) !== 0) return new OpenPath(inode);
  if (inode instanceof LinkInode) return -E.ELOOP;
  if (!(inode instanceof FileInode)) return -E.ENXIO;
  const access = flags & Open.ACCESS;
  const needed = access === 0 ? Permission.READ : access === Open.WRITE ? Permission.WRITE : 6;
  if (!inode.allows(needed)) return -E.EACCES;
  if ((flags & Open.TRUNCATE) !== 0 && access !== 0) inode.resize(0);
  return new OpenFile(inode, flags);
}

/** The file that a path beneath `start` leads to; or -errno. */
function existing(start: DirectoryInode, path: string, follow: boolean): Inode | number {
  const place = resolve(start, path, follow ? "follow" : "keep");
  if (typeof place === "number") return place;
  const { inode } = place;
  if (inode === undefined) return -E.ENOENT;
  return place.isSlashed && !(inode instanceof DirectoryInode) ? -E.ENOTDIR : inode;
}

/** May names in it be changed? 0, or -errno. */
function changing(directory: DirectoryInode): number {
  if (directory.isRemoved) return -E.ENOENT;
  return directory.allows(ENTER) ? 0 : -E.EACCES;
}

/** May what is no directory get this name? 0, or -errno. */
function naming(place: Place): number {
  const { directory, name, inode, isSlashed } = place;
  const unseen = searchFailure(place);
  if (unseen < 0 || inode !== undefined) return unseen || -E.EEXIST;
  const wrong = lookupFailure(directory, name);
  if (wrong < 0) return wrong;
  return isSlashed ? -E.ENOENT : changing(directory);
}

/** May a file get a name in `directory` that another one may have? 0, or -errno. */
function replacing(moved: Inode, replaced: Inode | undefined, directory: DirectoryInode): number {
  if (!(moved instanceof DirectoryInode)) return replaced instanceof DirectoryInode ? -E.EISDIR : 0;
  if (replaced !== undefined && !(replaced instanceof DirectoryInode)) return -E.ENOTDIR;
  // Its ".." changes.
  if (moved.parent !== directory && !moved.allows(Permission.WRITE)) return -E.EACCES;
  return replaced === undefined || replaced.isEmpty ? 0 : -E.ENOTEMPTY;
}

function unlinked(inode: Inode): void {
  inode.links = inode instanceof DirectoryInode ? 0 : inode.links - 1;
  inode.wasChanged();
}

const isDots = (name: string): boolean => name === "." || name === "..";
