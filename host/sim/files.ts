/** Owns the open files of a simulated host that have names: their positions, and what they were opened for. Knows no path. */

import { constants } from "node:fs";
import type { DirectoryEntry, SeekFrom } from "../backend/backend.js";
import { copyTo, lengthOf } from "../backend/bytes.js";
import { ALWAYS, E, SimFile } from "./file.js";
import type { Inode } from "./inode.js";
import { type DirectoryInode, type FileInode, PARENT_END, SELF_END } from "./nodes.js";

/** Flags of open(2) in the numbering of the platform, as in every backend. 0 where it has none. */
export const Open = {
  ACCESS: 3,
  WRITE: constants.O_WRONLY,
  READ_WRITE: constants.O_RDWR,
  CREATE: constants.O_CREAT,
  EXCLUSIVE: constants.O_EXCL,
  TRUNCATE: constants.O_TRUNC,
  APPEND: constants.O_APPEND,
  DIRECTORY: constants.O_DIRECTORY || 0,
  NO_FOLLOW: constants.O_NOFOLLOW || 0,
  /** O_PATH, which only Linux has. */
  PATH: 0o10000000,
} as const;

/** Linux's of a file system without holes in its positions: exact numbers. */
const POSITION_MAX = BigInt(Number.MAX_SAFE_INTEGER);
/** What struct linux_dirent64 takes beside the name and its NUL, and what it is rounded up to. */
const ENTRY_HEAD_BYTES = 19;
const ENTRY_ALIGN_BYTES = 8;

const encoder = new TextEncoder();

/** A file, opened for its name alone (O_PATH). */
export class OpenPath extends SimFile {
  override readonly inode: Inode;

  constructor(inode: Inode) {
    super();
    this.inode = inode;
    this.isAlwaysReady = true;
  }

  ready(): number {
    return ALWAYS;
  }

  release(): void {}
}

export class OpenDirectory extends OpenPath {
  override readonly inode: DirectoryInode;
  /** Are its entries readable, or was it opened for its name alone? */
  readonly isReadable: boolean;
  #position = 0n;

  constructor(inode: DirectoryInode, isReadable = true) {
    super(inode);
    this.inode = inode;
    this.isReadable = isReadable;
  }

  seek(offset: bigint, from: SeekFrom): bigint {
    const position = from === "end" ? -1n : from === "start" ? offset : this.#position + offset;
    if (position < 0n || position > POSITION_MAX) return BigInt(-E.EINVAL);
    this.#position = position;
    return position;
  }

  /** The entries from a position on whose records fit, at least one if there is any. */
  entries(maxBytes: number): readonly DirectoryEntry[] | number {
    if (this.inode.isRemoved) return -E.ENOENT;
    const found: DirectoryEntry[] = [];
    let bytes = 0;
    for (const [name, inode, end] of this.#all()) {
      if (BigInt(end) <= this.#position) continue;
      const encoded = encoder.encode(name);
      bytes += Math.ceil((ENTRY_HEAD_BYTES + encoded.length + 1) / ENTRY_ALIGN_BYTES) * ENTRY_ALIGN_BYTES;
      if (bytes > maxBytes && found.length > 0) break;
      found.push({ name: encoded, inode: inode.number, kind: inode.kind, next: BigInt(end) });
    }
    this.#position = found.at(-1)?.next ?? this.#position;
    this.inode.wasRead();
    return found;
  }

  *#all(): Generator<readonly [name: string, inode: Inode, end: number]> {
    const { inode } = this;
    yield [".", inode, SELF_END];
    yield ["..", inode.parent, PARENT_END];
    for (const [name, entry] of inode.entries()) yield [name, entry.inode, entry.end];
  }
}

export class OpenFile extends OpenPath {
  override readonly inode: FileInode;
  /** Does each write go to the end? */
  isAppending: boolean;
  readonly #access: number;
  #position = 0;

  constructor(inode: FileInode, flags: number) {
    super(inode);
    this.inode = inode;
    this.isAppending = (flags & Open.APPEND) !== 0;
    this.#access = flags & Open.ACCESS;
  }

  get #isReadable(): boolean {
    return this.#access !== Open.WRITE;
  }

  get isWritable(): boolean {
    return this.#access !== 0;
  }

  read(target: Uint8Array, most: number): number {
    const part = this.take(most);
    if (typeof part === "number") return part;
    copyTo(target, part);
    return part.length;
  }

  take(most: number): Uint8Array | number {
    const part = this.#at(this.#position, most);
    if (typeof part !== "number") this.#position += part.length;
    return part;
  }

  readFrom(target: Uint8Array, position: bigint): number {
    const part = this.#at(Number(position), lengthOf(target));
    if (typeof part === "number") return part;
    copyTo(target, part);
    return part.length;
  }

  #at(position: number, most: number): Uint8Array | number {
    if (!this.#isReadable) return -E.EBADF;
    const { inode } = this;
    if (most > 0) inode.wasRead();
    return inode.read(position, most);
  }

  write(data: Uint8Array): number {
    const { inode } = this;
    if (!this.isWritable) return -E.EBADF;
    const length = lengthOf(data);
    if (length === 0) return 0;
    const position = this.isAppending ? inode.size : this.#position;
    const count = inode.write(position, data, length);
    if (count >= 0) this.#position = position + count;
    return count;
  }

  writeTo(data: Uint8Array, position: bigint): number {
    const { inode } = this;
    if (!this.isWritable) return -E.EBADF;
    return inode.write(this.isAppending ? inode.size : Number(position), data, lengthOf(data));
  }

  seek(offset: bigint, from: SeekFrom): bigint {
    const base = from === "start" ? 0 : from === "current" ? this.#position : this.inode.size;
    const position = BigInt(base) + offset;
    if (position < 0n || position > POSITION_MAX) return BigInt(-E.EINVAL);
    this.#position = Number(position);
    return position;
  }
}
