/** Owns the seam of descriptors of any kind: files, pipes, terminals, and what sockets have in common with them. Knows no address. */

/** What kind of file it is: S_IFMT. */
export type FileKind = "file" | "directory" | "link" | "character" | "block" | "pipe" | "socket" | "unknown";

/** struct stat, as far as it is the same everywhere. Times are nanoseconds since 1970-01-01T00:00:00Z. */
export interface FileStatus {
  readonly kind: FileKind;
  readonly device: bigint;
  readonly inode: bigint;
  readonly links: bigint;
  /** Bytes. */
  readonly size: bigint;
  readonly accessedNs: bigint;
  readonly modifiedNs: bigint;
  readonly changedNs: bigint;
}

/** A time to set, in nanoseconds since 1970-01-01T00:00:00Z; "now"; or "keep" to leave it. */
export type FileTime = bigint | "now" | "keep";

/** An entry of a directory. */
export interface DirectoryEntry {
  /** Any bytes but a slash and a NUL. */
  readonly name: Uint8Array;
  readonly inode: bigint;
  readonly kind: FileKind;
  /** Where the next entry begins, for {@link FileCalls.readDirectory}. */
  readonly next: bigint;
}

/** How a file will be read: POSIX_FADV_NORMAL, and so on. */
export type FileAdvice = "normal" | "sequential" | "random" | "willNeed" | "dontNeed" | "noReuse";

/** Where {@link FileCalls.seek} counts from: SEEK_SET, SEEK_CUR, SEEK_END. */
export type SeekFrom = "start" | "current" | "end";

/**
 * Calls on positions, times and directories are made on Linux only: -ENOSYS elsewhere, as from {@link PathCalls}.
 */
export interface FileCalls {
  /**
   * Reads up to `length` bytes (default, and at most: all of it) into `target`. read(2).
   * @returns bytes, 0 at end of file, or -errno
   */
  read(fd: number, target: Uint8Array, length?: number): number;
  /** Reads up to `maxBytes` into a new array; empty at end of file. @returns the array, or -errno */
  readBytes(fd: number, maxBytes: number): Uint8Array | number;
  /** Writes from `data`; no SIGPIPE where Node ignores it, which is the default. write(2). @returns bytes taken, or -errno */
  write(fd: number, data: Uint8Array): number;
  /** Reads from `position`, and leaves the file's own position. pread(2). -ESPIPE for what has no positions. */
  readFrom(fd: number, target: Uint8Array, position: bigint): number;
  /** Writes at `position`; Linux appends nevertheless where {@link setAppend} is on. pwrite(2). */
  writeTo(fd: number, data: Uint8Array, position: bigint): number;
  /** Moves the file's position. lseek(2). @returns the new one, or -errno */
  seek(fd: number, offset: bigint, from: SeekFrom): bigint;
  /** fstat(2). */
  status(fd: number): FileStatus | number;
  /** Shortens the file, or extends it with zeros. ftruncate(2). */
  setLength(fd: number, length: bigint): number;
  /** futimens(2). */
  setTimes(fd: number, accessed: FileTime, modified: FileTime): number;
  /** Reserves space, and extends the file to it. fallocate(2); -EOPNOTSUPP where the file system cannot. */
  allocate(fd: number, offset: bigint, length: bigint): number;
  /** posix_fadvise(2). */
  advise(fd: number, offset: bigint, length: bigint, advice: FileAdvice): number;
  /** Waits until the file is on its device: its data (fdatasync(2)), or its metadata as well (fsync(2)). */
  synchronize(fd: number, dataOnly: boolean): number;
  /** Whether each write goes to the end of the file: O_APPEND, of every descriptor of the open file. */
  setAppend(fd: number, on: boolean): number;
  /**
   * Reads entries of a directory, "." and ".." among them: those that fit in `maxBytes` (at most 65,536) of the kernel's
   * structures, at least one if there is any left.
   * @param position 0, or {@link DirectoryEntry.next}
   * @returns the entries, none at the end; or -errno
   */
  readDirectory(fd: number, position: bigint, maxBytes: number): readonly DirectoryEntry[] | number;
  /** Makes a pipe, close-on-exec and blocking as pipe(2) makes it. @returns read end and write end */
  pipe(): readonly [readFd: number, writeFd: number] | number;
  /**
   * Duplicates `fd`, close-on-exec. fcntl(2), F_DUPFD_CLOEXEC.
   * @returns the descriptor, or -errno: -EBUSY where {@link release} would return it
   */
  duplicate(fd: number): number;
  setNonBlocking(fd: number, on: boolean): number;
  /** Sets or clears FD_CLOEXEC. The backend sets it on every descriptor that it makes. @returns 0 or -errno */
  setCloseOnExec(fd: number, on: boolean): number;
  /**
   * Takes ownership of `fd`, which other code made: the opposite of {@link release}. The descriptors that a worker thread
   * owns are closed when the thread ends. Those that the backend makes are adopted already, except the ends of a pipe.
   * @returns 0 or -errno
   */
  adopt(fd: number): number;
  /**
   * Forgets what the backend knows of `fd`, whose owner passes it to code that does not use this backend. The
   * descriptor stays open.
   * @returns 0, or -EBUSY while the backend has unread input or pending output of it
   */
  release(fd: number): number;
  /** Closes `fd`. What `send` has taken is still sent, as with close(2). */
  close(fd: number): number;
}
