/** Owns what any descriptor has: reading, writing, status, closing. Knows descriptors; knows no address. */

import type { FileCalls, FileStatus } from "../backend/backend.js";
import { copyTo, isLength, roomOf } from "../backend/bytes.js";
import { type Descriptors, standardStream } from "./descriptors.js";
import { ERRNO, errnoOfStream } from "./errors.js";
import type { PendingOutput } from "./pending-output.js";
import { plain, readInput, writeOutput } from "./streams.js";
import { receiveUdp, sendUdp } from "./udp.js";

type Calls = Pick<
  FileCalls,
  | "read"
  | "readBytes"
  | "write"
  | "duplicate"
  | "status"
  | "setNonBlocking"
  | "setCloseOnExec"
  | "adopt"
  | "release"
  | "close"
>;

export function createFileCalls(descriptors: Descriptors, pending: PendingOutput): Calls {
  function readBytes(fd: number, maxBytes: number): Uint8Array | number {
    const descriptor = descriptors.at(fd);
    if (descriptor === undefined) return -ERRNO.EBADF;
    if (!isLength(maxBytes)) return -ERRNO.EINVAL;
    if (descriptor.udp === undefined) {
      if (descriptor.input === undefined && !descriptor.isSocket) return -ERRNO.EBADF;
      return descriptor.endsInput ? new Uint8Array(0) : readInput(descriptor, maxBytes);
    }
    const received = receiveUdp(descriptor);
    return typeof received === "number" ? received : received.data.subarray(0, maxBytes);
  }

  const ifOpen = (fd: number): number => (descriptors.at(fd) === undefined ? -ERRNO.EBADF : 0);

  return {
    read(fd, target, length) {
      const data = readBytes(fd, roomOf(target, length));
      if (typeof data === "number") return data;
      copyTo(target, data);
      return data.length;
    },

    readBytes,

    write(fd, given) {
      const data = plain(given);
      const descriptor = descriptors.at(fd);
      if (descriptor === undefined) return -ERRNO.EBADF;
      if (descriptor.udp !== undefined) return sendUdp(descriptor, data, undefined);
      if (descriptor.output === undefined) return descriptor.isSocket ? -ERRNO.ENOTCONN : -ERRNO.EBADF;
      if (descriptor.ends) return -ERRNO.EPIPE;
      const count = writeOutput(descriptor, data);
      if (count > 0 && !descriptor.isSocket) {
        try {
          descriptor.output.flush();
        } catch (thrown) {
          return errnoOfStream(thrown);
        }
      }
      return count;
    },

    status(fd) {
      const descriptor = descriptors.at(fd);
      if (descriptor === undefined) return -ERRNO.EBADF;
      return {
        ...EMPTY_STATUS,
        kind: descriptor.isSocket ? "socket" : "character",
        inode: BigInt(fd),
      } satisfies FileStatus;
    },

    /** Of a standard stream alone: each call of its host returns another handle of it. */
    duplicate(fd) {
      const descriptor = descriptors.at(fd);
      if (descriptor === undefined) return -ERRNO.EBADF;
      return descriptor.stdio === undefined ? -ERRNO.ENOSYS : descriptors.add(standardStream(descriptor.stdio));
    },

    /** In WASI 0.2 only calls made for waiting wait. */
    setNonBlocking: ifOpen,
    setCloseOnExec: ifOpen,
    adopt: ifOpen,
    release: ifOpen,

    close(fd) {
      const descriptor = descriptors.at(fd);
      if (descriptor === undefined) return -ERRNO.EBADF;
      descriptors.remove(fd);
      pending.freeWhenSent(descriptor);
      return 0;
    },
  };
}

const EMPTY_STATUS = {
  device: 0n,
  links: 1n,
  size: 0n,
  accessedNs: 0n,
  modifiedNs: 0n,
  changedNs: 0n,
} as const;
