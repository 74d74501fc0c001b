/**
 * Owns the kinds of files that have names on a simulated host: regular files, directories, symbolic links, and the paths of
 * Unix sockets. Knows no path of more than one name, and no descriptor.
 */

import { copyOf, copyTo } from "../backend/bytes.js";
import { E, type SimFile } from "./file.js";
import { Inode, type Volume } from "./inode.js";

/** Files are held in memory, without holes. */
const FILE_BYTES_MAX = 2 ** 30;
/** As ext4 says of a directory with few entries. */
const DIRECTORY_BYTES = 4096;
/** Positions of "." and "..": each is where the entry after it begins. */
export const SELF_END = 1;
export const PARENT_END = 2;

const encoder = new TextEncoder();

export class FileInode extends Inode {
  /** Grows by doubling; what is behind the size is zero. */
  #bytes = new Uint8Array(0);
  #size = 0;

  constructor(volume: Volume, mode: number) {
    super("file", volume, mode);
  }

  override get size(): number {
    return this.#size;
  }

  /** A copy of what is at `position`. */
  read(position: number, most: number): Uint8Array {
    return copyOf(this.#bytes, Math.max(0, Math.min(most, this.#size - position)), position);
  }

  /** @returns how many bytes were written, or -EFBIG */
  write(position: number, data: Uint8Array, length: number): number {
    if (length === 0) return 0;
    const count = Math.min(length, FILE_BYTES_MAX - position);
    if (count <= 0) return -E.EFBIG;
    this.#reserve(position + count);
    copyTo(this.#bytes, copyOf(data, count), position);
    this.#size = Math.max(this.#size, position + count);
    this.wasModified();
    return count;
  }

  /** Cuts it, or extends it with zeros. @returns 0, or -EFBIG */
  resize(size: number): number {
    if (size > FILE_BYTES_MAX) return -E.EFBIG;
    if (size < this.#size) this.#bytes.fill(0, size, this.#size);
    else this.#reserve(size);
    this.#size = size;
    this.wasModified();
    return 0;
  }

  #reserve(size: number): void {
    if (size <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.min(Math.max(size, 2 * this.#bytes.length), FILE_BYTES_MAX));
    larger.set(this.#bytes);
    this.#bytes = larger;
  }
}

/** A name in a directory. */
interface Entry {
  readonly inode: Inode;
  /** Where the next entry begins: larger than that of every older one, and never used again. */
  readonly end: number;
}

export class DirectoryInode extends Inode {
  /** The root is its own. */
  parent: DirectoryInode;
  readonly #entries = new Map<string, Entry>();
  #end = PARENT_END;

  constructor(volume: Volume, mode: number, parent?: DirectoryInode) {
    super("directory", volume, mode);
    this.parent = parent ?? this;
    this.links = 2;
  }

  override get size(): number {
    return DIRECTORY_BYTES;
  }

  get isEmpty(): boolean {
    return this.#entries.size === 0;
  }

  /** An open directory may be removed: then it has no entries, and gets none. */
  get isRemoved(): boolean {
    return this.links === 0;
  }

  find(name: string): Inode | undefined {
    return this.#entries.get(name)?.inode;
  }

  entries(): Iterable<readonly [string, Entry]> {
    return this.#entries;
  }

  /** A name that is taken gets another file. */
  set(name: string, inode: Inode): void {
    this.remove(name);
    this.#end += 1;
    this.#entries.set(name, { inode, end: this.#end });
    if (inode instanceof DirectoryInode) {
      inode.parent = this;
      this.links += 1;
    }
    this.wasModified();
  }

  remove(name: string): void {
    const inode = this.find(name);
    if (inode === undefined) return;
    this.#entries.delete(name);
    if (inode instanceof DirectoryInode) this.links -= 1;
    this.wasModified();
  }

  /** Is it `directory`, or above it? */
  isAbove(directory: DirectoryInode): boolean {
    for (let at = directory; ; at = at.parent) {
      if (at === this) return true;
      if (at === at.parent) return false;
    }
  }
}

export class LinkInode extends Inode {
  readonly target: string;

  constructor(volume: Volume, target: string) {
    super("link", volume, 0o777);
    this.target = target;
  }

  override get size(): number {
    return encoder.encode(this.target).length;
  }
}

export class SocketInode extends Inode {
  /** undefined once it is closed: the path stays. */
  socket: SimFile | undefined;

  constructor(volume: Volume, socket: SimFile) {
    super("socket", volume, 0o755);
    this.socket = socket;
  }
}
