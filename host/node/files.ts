/**
 * Owns the calls on positions, sizes, times and entries of files. Knows no path. Results are -errno for a failure; -ENOSYS
 * where there is no {@link Libc.files}.
 */

import type { Backend, FileAdvice, FileStatus, SeekFrom } from "../backend/backend.js";
import { errnos, F_GETFL, F_SETFL } from "./constants.js";
import { ENTRY_BYTES_MAX, readEntries, readStatus, STATX_BASIC, STATX_BYTES, writeTimes } from "./file-status.js";
import type { FileLibc } from "./libc-files.js";
import type { Libc } from "./libc.js";
import type { Scratch } from "./scratch.js";
import { lengthOf } from "../backend/bytes.js";

/** The part of {@link Backend} that this file answers for. */
export type PositionedCalls = Pick<
  Backend,
  | "readFrom"
  | "writeTo"
  | "seek"
  | "status"
  | "setLength"
  | "setTimes"
  | "allocate"
  | "advise"
  | "synchronize"
  | "setAppend"
  | "readDirectory"
>;

export const AT_EMPTY_PATH = 0x1000;
const O_APPEND = 0o2000;
const WHENCE: Readonly<Record<SeekFrom, number>> = { start: 0, current: 1, end: 2 };
const ADVICE: Readonly<Record<FileAdvice, number>> = {
  normal: 0,
  random: 1,
  sequential: 2,
  willNeed: 3,
  dontNeed: 4,
  noReuse: 5,
};
const DIRECTORY_BYTES = 65_536;
/** getdents64(2), for which some libc has no function: its number on x86-64, and on the architectures after it. */
const GETDENTS64 = process.arch === "x64" ? 217 : 61;

/** Reads the status of `path`, beneath or at `directory`. */
export class StatusReader {
  readonly #libc: Libc;
  readonly #view: DataView;
  readonly #at: number;

  constructor(libc: Libc) {
    this.#libc = libc;
    // Deno does not tell the address of a DataView.
    const bytes = new Uint8Array(STATX_BYTES);
    this.#view = new DataView(bytes.buffer);
    this.#at = Number(libc.addressOf(bytes));
  }

  /** Of the descriptor's file. */
  of(files: FileLibc, fd: number): FileStatus | number {
    const failed = files.statx(fd, "", AT_EMPTY_PATH, STATX_BASIC, this.#at);
    return failed < 0 ? -this.#libc.errno() : readStatus(this.#view);
  }
}

/** i64, as the kernel takes an offset: one beyond it is negative, and refused there. */
const offsetOf = (value: bigint): bigint => BigInt.asIntN(64, value);

export function createFileCalls(libc: Libc, scratch: Scratch, status: StatusReader): PositionedCalls {
  const { errno, linux } = libc;
  const { EINTR, ENOSYS } = errnos;
  const times = new BigInt64Array(4);
  const timesAt = Number(libc.addressOf(times));
  let entries: { readonly bytes: Uint8Array; readonly view: DataView; readonly at: number } | undefined;

  /** Repeats a call that a signal has interrupted. */
  function repeated(call: (files: FileLibc) => number): number {
    const files = libc.files();
    if (files === undefined) return -ENOSYS;
    while (true) {
      const result = call(files);
      if (result >= 0) return result;
      const failed = errno();
      if (failed !== EINTR) return -failed;
    }
  }

  function entryBuffer() {
    const bytes = new Uint8Array(DIRECTORY_BYTES);
    entries = { bytes, view: new DataView(bytes.buffer), at: Number(libc.addressOf(bytes)) };
    return entries;
  }

  return {
    readFrom(fd, target, position) {
      const length = lengthOf(target);
      const at = scratch.toReceive(target, length);
      const count = repeated(({ pread }) => pread(fd, at, length, offsetOf(position)));
      scratch.received(target, length, count);
      return count;
    },
    writeTo(fd, data, position) {
      const length = lengthOf(data);
      const at = scratch.toSend(data, length);
      return repeated(({ pwrite }) => pwrite(fd, at, length, offsetOf(position)));
    },
    seek(fd, offset, from) {
      const files = libc.files();
      if (files === undefined) return BigInt(-ENOSYS);
      const position = files.lseek(fd, offsetOf(offset), WHENCE[from]);
      return position < 0 ? BigInt(-errno()) : BigInt(position);
    },
    status(fd) {
      const files = libc.files();
      return files === undefined ? -ENOSYS : status.of(files, fd);
    },
    setLength: (fd, length) => repeated(({ ftruncate }) => ftruncate(fd, offsetOf(length))),
    setTimes(fd, accessed, modified) {
      writeTimes(times, accessed, modified);
      return repeated(({ futimens }) => futimens(fd, timesAt));
    },
    allocate: (fd, offset, length) => repeated(({ fallocate }) => fallocate(fd, 0, offsetOf(offset), offsetOf(length))),
    advise(fd, offset, length, advice) {
      const files = libc.files();
      if (files === undefined) return -ENOSYS;
      return 0 - files.posix_fadvise(fd, offsetOf(offset), offsetOf(length), ADVICE[advice]);
    },
    synchronize: (fd, dataOnly) => repeated(({ fdatasync, fsync }) => (dataOnly ? fdatasync(fd) : fsync(fd))),
    setAppend(fd, on) {
      if (linux === undefined) return -ENOSYS;
      const flags = libc.fcntl(fd, F_GETFL, 0);
      if (flags < 0) return -errno();
      return libc.fcntl(fd, F_SETFL, on ? flags | O_APPEND : flags & ~O_APPEND) < 0 ? -errno() : 0;
    },
    readDirectory(fd, position, maxBytes) {
      const files = libc.files();
      if (files === undefined || linux === undefined) return -ENOSYS;
      if (files.lseek(fd, offsetOf(position), WHENCE.start) < 0) return -errno();
      const { bytes, view, at } = entries ?? entryBuffer();
      const most = Math.min(Math.max(maxBytes, ENTRY_BYTES_MAX), DIRECTORY_BYTES);
      const length = linux.syscall(GETDENTS64, fd, at, most, 0, 0);
      return length < 0 ? -errno() : readEntries(bytes, view, length);
    },
  };
}
