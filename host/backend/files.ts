/** Owns the seam of descriptors of any kind: files, pipes, terminals, and what sockets have in common with them. Knows no address. */

export interface FileCalls {
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
  /**
   * Reads up to `length` bytes (default, and at most: all of it) into `target`. read(2).
   * @returns bytes, 0 at end of file, or -errno
   */
  read(fd: number, target: Uint8Array, length?: number): number;
  /** Reads up to `maxBytes`, and returns them as an array of their own; empty at end of file. @returns -errno for a failure */
  readBytes(fd: number, maxBytes: number): Uint8Array | number;
  /** Writes from `data`; no SIGPIPE where Node ignores it, which is the default. write(2). @returns bytes taken, or -errno */
  write(fd: number, data: Uint8Array): number;
  /** Makes a pipe, close-on-exec and blocking as pipe(2) makes it. @returns read end and write end */
  pipe(): readonly [readFd: number, writeFd: number] | number;
  /**
   * Duplicates `fd`, close-on-exec. fcntl(2), F_DUPFD_CLOEXEC.
   * @returns the descriptor, or -errno: -EBUSY where {@link release} would answer it
   */
  duplicate(fd: number): number;
  setNonBlocking(fd: number, on: boolean): number;
  /** Is `fd` to be closed in programs that this process executes? Of those that the backend makes, all are. */
  setCloseOnExec(fd: number, on: boolean): number;
  /**
   * Takes over `fd`, which other code made: the opposite of {@link release}. A descriptor of a worker thread is closed
   * when the thread ends; those that the backend makes are adopted already, but for the ends of a pipe.
   * @returns 0 or -errno
   */
  adopt(fd: number): number;
  /**
   * Forgets what the backend knows of `fd`, whose owner hands it to code that does not use this backend. The
   * descriptor stays open.
   * @returns 0, or -EBUSY while the backend holds bytes of it: input to be received first, or output that is still to
   * be sent
   */
  release(fd: number): number;
  /** Closes `fd`. What `send` has taken is sent, as close(2) has it. */
  close(fd: number): number;
}
