/**
 * Owns openat2(2): opening a file beneath a directory in one step. Knows no other call. A failure is -errno.
 *
 * ```
 * struct open_how   0       8      16        24
 *                   | flags | mode | resolve |
 * ```
 */

import { constants } from "node:fs";
import { isMainThread, threadId } from "node:worker_threads";
import type { Backend } from "../backend/backend.js";
import { errnos, SOCK_CLOEXEC } from "./constants.js";
import type { Libc } from "./libc.js";
import { ledger } from "./threads/records.js";

/** The part of {@link Backend} that this file answers for. */
export type BeneathCalls = Pick<Backend, "openBeneath">;

/** Bytes of a path, its NUL included. */
const PATH_MAX = 4096;
/** The same number on every architecture. */
const OPENAT2 = 437;
const HOW_BYTES = 24;
const RESOLVE_NO_MAGICLINKS = 0x02n;
const RESOLVE_BENEATH = 0x08n;
/** The bit of O_TMPFILE that O_DIRECTORY does not have. */
const O_TMPFILE = 0o20000000;
/** O_CLOEXEC has the value of SOCK_CLOEXEC. */
const O_CLOEXEC = SOCK_CLOEXEC;
/**
 * openat2 fails with EAGAIN if anything on the machine was renamed while it resolved a "..". It is tried again, up to
 * this many times.
 */
const ATTEMPTS_MAX = 1000;

export function createBeneathCalls(libc: Libc): BeneathCalls {
  const { linux } = libc;
  const { EAGAIN, EINTR, EINVAL, ENAMETOOLONG, ENOSYS } = errnos;
  if (linux === undefined) return { openBeneath: () => -ENOSYS };
  const how = new BigUint64Array([0n, 0n, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS]);
  const howAt = Number(libc.addressOf(how));
  const { owners } = ledger;
  const name = Buffer.alloc(PATH_MAX);
  const nameAt = Number(libc.addressOf(name));

  return {
    openBeneath(directory, path, flags, mode) {
      if (path.includes("\0")) return -EINVAL;
      // openat2 refuses a mode where no file can be made.
      const makes = (flags & (constants.O_CREAT | O_TMPFILE)) !== 0;
      how[0] = BigInt((flags | O_CLOEXEC) >>> 0);
      how[1] = makes ? BigInt(mode) : 0n;
      if (Buffer.byteLength(path) >= PATH_MAX) return -ENAMETOOLONG;
      name[name.write(path)] = 0;
      let failed = EAGAIN;
      for (let attempt = 0; attempt < ATTEMPTS_MAX && (failed === EAGAIN || failed === EINTR); attempt++) {
        const fd = linux.syscall(OPENAT2, directory, nameAt, howAt, HOW_BYTES, 0);
        if (fd >= 0) {
          // Not by a call: V8 may end a thread at the entry of a function, and nobody would know of the descriptor.
          if (!isMainThread) owners[fd] = threadId;
          return fd;
        }
        failed = libc.errno();
      }
      return -failed;
    },
  };
}
