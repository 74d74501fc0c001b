/** Owns a guest with a directory: its paths, and what the calls on files and directories give back. Knows WASI's bytes. */

import { mkdirSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished } from "vitest";
import type { Preview1Options } from "../../host/guest/preview1.js";
import { type Caller, createCaller, DATA_AT, Errno, RESULT_AT } from "./support.js";

export const CREAT = 1;
export const DIRECTORY = 2;
export const EXCL = 4;
export const TRUNC = 8;
export const FOLLOW = 1;
export const APPEND = 1;
/** All rights that preview 1 has. */
export const ALL = (1n << 30n) - 1n;
export const READ = 1n << 1n;
export const SEEK = 1n << 2n;
export const TELL = 1n << 5n;
export const WRITE = 1n << 6n;
/** What a program asks for that opens a file for reading and writing. */
export const READ_WRITE = ALL & ~(1n << 14n);
/** What a program asks for that opens something for reading. */
export const READ_ONLY = ALL & ~(WRITE | (1n << 8n) | (1n << 22n));

const PATH_AT = 2048;
const OTHER_AT = 4096;
export const OUT_AT = 40_000;

export class Files {
  readonly caller: Caller;
  /** The directory on the host, and one beside it in which the guest has no business. */
  readonly inside: string;
  readonly outside: string;
  /** The directory's descriptors: one for everything, one for reading. */
  readonly root = 3;
  readonly readOnly = 4;

  constructor(options: Preview1Options = {}) {
    const base = mkdtempSync(join(tmpdir(), "guest-files-"));
    onTestFinished(() => rmSync(base, { recursive: true, force: true }));
    this.inside = join(base, "inside");
    this.outside = join(base, "outside");
    mkdirSync(this.inside);
    mkdirSync(this.outside);
    const directories = [
      { fd: openSync(this.inside, "r"), guestPath: "/" },
      { fd: openSync(this.inside, "r"), guestPath: "/ro", readOnly: true },
    ];
    [this.caller] = createCaller({ directories, ...options });
  }

  get calls() {
    return this.caller.calls;
  }

  /** Writes a path. @returns the two parameters that tell it */
  path(path: string | Uint8Array, at = PATH_AT): [at: number, length: number] {
    const bytes = Buffer.from(path);
    this.caller.bytes(at, bytes.length).set(bytes);
    return [at, bytes.length];
  }

  other(path: string): [at: number, length: number] {
    return this.path(path, OTHER_AT);
  }

  /** path_open. @returns the descriptor, or -errno */
  open(
    path: string | Uint8Array,
    { fd = this.root, oflags = 0, rights = READ_ONLY, inheriting = ALL, fdflags = 0, lookup = 0 } = {},
  ): number {
    const place = this.path(path);
    const errno = this.calls.path_open(fd, lookup, ...place, oflags, rights, inheriting, fdflags, RESULT_AT);
    return errno === Errno.SUCCESS ? this.caller.u32(RESULT_AT) : -errno;
  }

  /** A new file with these contents, open for reading and writing. */
  file(path: string, contents = ""): number {
    const fd = this.open(path, { oflags: CREAT, rights: READ_WRITE });
    expect(fd).toBeGreaterThan(this.readOnly);
    if (contents !== "") expect(this.caller.write(fd, contents)).toBe(contents.length);
    return fd;
  }

  seek(fd: number, offset: bigint, whence = 0): bigint | number {
    const errno = this.calls.fd_seek(fd, offset, whence, RESULT_AT);
    return errno === Errno.SUCCESS ? this.caller.view.getBigUint64(RESULT_AT, true) : errno;
  }

  /** A filestat that a call has written at {@link OUT_AT}, or its errno. */
  stat(errno: number) {
    if (errno !== Errno.SUCCESS) return errno;
    const { view } = this.caller;
    return {
      inode: view.getBigUint64(OUT_AT + 8, true),
      filetype: view.getUint8(OUT_AT + 16),
      links: view.getBigUint64(OUT_AT + 24, true),
      size: view.getBigUint64(OUT_AT + 32, true),
      accessed: view.getBigUint64(OUT_AT + 40, true),
      modified: view.getBigUint64(OUT_AT + 48, true),
    };
  }

  /** All entries of a directory, with a buffer of so many bytes. */
  entries(fd: number, bytes = 4096): { name: string; inode: bigint; filetype: number }[] {
    const found: { name: string; inode: bigint; filetype: number }[] = [];
    const { caller } = this;
    let cookie = 0n;
    while (true) {
      expect(this.calls.fd_readdir(fd, DATA_AT, bytes, cookie, RESULT_AT)).toBe(Errno.SUCCESS);
      const used = caller.u32(RESULT_AT);
      for (let at = DATA_AT; at + 24 <= DATA_AT + used;) {
        const length = caller.u32(at + 16);
        if (at + 24 + length > DATA_AT + used) break;
        cookie = caller.view.getBigUint64(at, true);
        const inode = caller.view.getBigUint64(at + 8, true);
        found.push({ name: caller.text(at + 24, length), inode, filetype: caller.view.getUint8(at + 20) });
        at += 24 + length;
      }
      if (used < bytes) return found;
    }
  }
}
