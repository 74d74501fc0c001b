/**
 * Owns the calls that any descriptor takes: files, pipes, terminals and sockets alike. Knows no address and no poll
 * set. Results are -errno for a failure.
 */

import { forgetDescriptor, recordDescriptor } from "./threads/records.js";
import type { FileCalls } from "../backend/backend.js";
import { copyOf, isLength, lengthOf, roomOf } from "../backend/bytes.js";
import { errnos, F_GETFL, F_SETFD, F_SETFL, FD_CLOEXEC, type PlatformConstants, SOCK_CLOEXEC } from "./constants.js";
import type { PositionedCalls } from "./files.js";
import type { Libc } from "./libc.js";
import type { Scratch } from "./scratch.js";

/** Sets or clears FD_CLOEXEC. 0 or -errno. */
export function setCloseOnExec(libc: Libc, fd: number, on: boolean): number {
  return libc.fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0) < 0 ? -libc.errno() : 0;
}

/** Sets or clears O_NONBLOCK. 0 or -errno. */
export function setNonBlocking(libc: Libc, constants: PlatformConstants, fd: number, on: boolean): number {
  const flags = libc.fcntl(fd, F_GETFL, 0);
  if (flags < 0) return -libc.errno();
  const wanted = on ? flags | constants.O_NONBLOCK : flags & ~constants.O_NONBLOCK;
  return wanted === flags || libc.fcntl(fd, F_SETFL, wanted) >= 0 ? 0 : -libc.errno();
}

/** The part of {@link FileCalls} that this file answers for. */
type DescriptorCalls = Omit<FileCalls, keyof PositionedCalls>;

export function createDescriptorCalls(libc: Libc, constants: PlatformConstants, scratch: Scratch): DescriptorCalls {
  const { errno, linux } = libc;
  const { EINTR } = errnos;
  const { slab } = scratch;
  const pair = new Int32Array(2);

  function close(fd: number): number {
    if (libc.close(fd) >= 0) return 0;
    // An interrupted close has closed the descriptor: repeating it could close a new one of the same number.
    const failed = errno();
    return failed === EINTR ? 0 : -failed;
  }

  function pipe(): readonly [number, number] | number {
    const result = linux === undefined ? libc.pipe(pair) : linux.pipe2(pair, SOCK_CLOEXEC);
    if (result < 0) return -errno();
    const ends = [pair[0] ?? -1, pair[1] ?? -1] as const;
    if (linux !== undefined) return ends;
    for (const end of ends) {
      const failed = setCloseOnExec(libc, end, true);
      if (failed < 0) {
        for (const each of ends) close(each);
        return failed;
      }
    }
    return ends;
  }

  function readAt(fd: number, at: number, length: number): number {
    while (true) {
      const count = libc.readAt(fd, at, length);
      if (count >= 0) return count;
      const failed = errno();
      if (failed !== EINTR) return -failed;
    }
  }

  function read(fd: number, target: Uint8Array, wanted?: number): number {
    const length = roomOf(target, wanted);
    if (length < 0) return -errnos.EINVAL;
    const count = readAt(fd, scratch.toReceive(target, length), length);
    scratch.received(target, length, count);
    return count;
  }

  return {
    close,
    pipe,
    read,
    readBytes(fd, most) {
      if (!isLength(most)) return -errnos.EINVAL;
      if (slab.takes(most)) {
        const count = readAt(fd, slab.address, most);
        return count < 0 ? count : slab.received(count);
      }
      const isSmall = most <= scratch.bytes.length;
      const target = isSmall ? scratch.bytes : new Uint8Array(most);
      const count = isSmall ? readAt(fd, scratch.bytesAt, most) : read(fd, target);
      return count < 0 ? count : copyOf(target, count);
    },
    write(fd, data) {
      // Node ignores SIGPIPE from its start, so a pipe without a reader only gives EPIPE.
      const length = lengthOf(data);
      const at = scratch.toSend(data, length);
      while (true) {
        const count = libc.writeAt(fd, at, length);
        if (count >= 0) return count;
        const failed = errno();
        if (failed !== EINTR) return -failed;
      }
    },
    adopt(fd) {
      recordDescriptor(fd);
      return 0;
    },
    release(fd) {
      forgetDescriptor(fd);
      return 0;
    },
    duplicate(fd) {
      const copy = libc.fcntl(fd, constants.F_DUPFD_CLOEXEC, 0);
      return copy < 0 ? -errno() : copy;
    },
    setNonBlocking: (fd, on) => setNonBlocking(libc, constants, fd, on),
    setCloseOnExec: (fd, on) => setCloseOnExec(libc, fd, on),
  };
}
