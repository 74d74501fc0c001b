/**
 * Owns the signatures of libc's calls on files and paths, which are Linux's. Knows no constant and no layout.
 *
 * They are bound at the first use: most programs need none of them, and a libc that lacks one of them serves the others.
 */

import type { loadKoffi } from "./koffi.js";

type Library = ReturnType<ReturnType<typeof loadKoffi>["load"]>;

/** Addresses are numbers; a string is passed with its NUL, as UTF-8. 64-bit results may be bigints. */
export interface FileLibc {
  pread(fd: number, target: number, length: number, position: bigint): number;
  pwrite(fd: number, data: number, length: number, position: bigint): number;
  lseek(fd: number, offset: bigint, whence: number): number | bigint;
  ftruncate(fd: number, length: bigint): number;
  fsync(fd: number): number;
  fdatasync(fd: number): number;
  fallocate(fd: number, mode: number, offset: bigint, length: bigint): number;
  /** Returns an error number rather than setting errno. */
  posix_fadvise(fd: number, offset: bigint, length: bigint, advice: number): number;
  futimens(fd: number, times: number): number;
  utimensat(directory: number, path: string, times: number, flags: number): number;
  statx(directory: number, path: string, flags: number, mask: number, status: number): number;
  mkdirat(directory: number, path: string, mode: number): number;
  unlinkat(directory: number, path: string, flags: number): number;
  renameat(fromDirectory: number, from: string, toDirectory: number, to: string): number;
  linkat(fromDirectory: number, from: string, toDirectory: number, to: string, flags: number): number;
  symlinkat(target: string, directory: number, path: string): number;
  readlinkat(directory: number, path: string, target: number, length: number): number;
}

const SIGNATURES: Readonly<Record<keyof FileLibc, string>> = {
  pread: "intptr_t pread(int fd, uintptr_t target, size_t length, int64_t position)",
  pwrite: "intptr_t pwrite(int fd, uintptr_t data, size_t length, int64_t position)",
  lseek: "int64_t lseek(int fd, int64_t offset, int whence)",
  ftruncate: "int ftruncate(int fd, int64_t length)",
  fsync: "int fsync(int fd)",
  fdatasync: "int fdatasync(int fd)",
  fallocate: "int fallocate(int fd, int mode, int64_t offset, int64_t length)",
  posix_fadvise: "int posix_fadvise(int fd, int64_t offset, int64_t length, int advice)",
  futimens: "int futimens(int fd, uintptr_t times)",
  utimensat: "int utimensat(int directory, const char *path, uintptr_t times, int flags)",
  statx: "int statx(int directory, const char *path, int flags, unsigned int mask, uintptr_t status)",
  mkdirat: "int mkdirat(int directory, const char *path, unsigned int mode)",
  unlinkat: "int unlinkat(int directory, const char *path, int flags)",
  renameat: "int renameat(int fromDirectory, const char *from, int toDirectory, const char *to)",
  linkat: "int linkat(int fromDirectory, const char *from, int toDirectory, const char *to, int flags)",
  symlinkat: "int symlinkat(const char *target, int directory, const char *path)",
  readlinkat: "intptr_t readlinkat(int directory, const char *path, uintptr_t target, size_t length)",
};

/** undefined where this libc lacks one of them: statx came with glibc 2.28. */
export function bindFiles(library: Library): FileLibc | undefined {
  try {
    const bound = Object.entries(SIGNATURES).map(([name, signature]) => [name, library.func(signature)]);
    return Object.fromEntries(bound) as unknown as FileLibc;
  } catch {
    return undefined;
  }
}
