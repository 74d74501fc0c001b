/**
 * Owns the calls that read and write: fd_read, fd_write, sock_recv, sock_send. Knows the layouts; leaves the moving of
 * bytes to {@link Transfer}.
 */

import { ERRNO_BADF, ERRNO_FAULT, ERRNO_INVAL, ERRNO_ISDIR, ERRNO_NOTSOCK, ERRNO_SUCCESS } from "../../wasi/errno.js";
import type { GuestContext } from "./context.js";
import type { Descriptor } from "../descriptors.js";
import type { Transfer } from "../transfer.js";
import { RiFlags } from "../../wasi/layout.js";

/** `roflags.recv_data_truncated`. */
const RECV_DATA_TRUNCATED = 1;

export function createStreamCalls(context: GuestContext, transfer: Transfer) {
  const { iovecs, memory, table } = context;

  function store(result: number, lengthAt: number): number {
    if (result < 0) return -result;
    memory.setUint32(lengthAt, result);
    return ERRNO_SUCCESS;
  }

  const unusable = (descriptor: Descriptor | undefined): number =>
    descriptor?.isDirectory === true ? ERRNO_ISDIR : ERRNO_BADF;

  return {
    fd_read(fd: number, iovecsAt: number, count: number, lengthAt: number): number {
      const descriptor = table.get(fd);
      if (descriptor === undefined || !descriptor.readable) return unusable(descriptor);
      if (!memory.has(lengthAt, 4)) return ERRNO_FAULT;
      return iovecs.read(iovecsAt, count) || store(transfer.receive(descriptor, false), lengthAt);
    },

    fd_write(fd: number, iovecsAt: number, count: number, lengthAt: number): number {
      const descriptor = table.get(fd);
      if (descriptor === undefined || !descriptor.writable) return unusable(descriptor);
      if (!memory.has(lengthAt, 4)) return ERRNO_FAULT;
      return iovecs.read(iovecsAt, count) || store(transfer.send(descriptor), lengthAt);
    },

    sock_recv(fd: number, iovecsAt: number, count: number, flags: number, lengthAt: number, flagsAt: number): number {
      const descriptor = table.get(fd);
      if (descriptor === undefined) return ERRNO_BADF;
      if (!descriptor.isSocket) return ERRNO_NOTSOCK;
      if (!memory.has(lengthAt, 4) || !memory.has(flagsAt, 2)) return ERRNO_FAULT;
      if ((flags & ~(RiFlags.PEEK | RiFlags.WAITALL)) !== 0) return ERRNO_INVAL;
      const failed = iovecs.read(iovecsAt, count);
      if (failed !== ERRNO_SUCCESS) return failed;
      // What is unread cannot be waited for again: PEEK returns what has arrived, with WAITALL as well.
      const isPeek = (flags & RiFlags.PEEK) !== 0;
      const result = isPeek ? transfer.peek(descriptor) : transfer.receive(descriptor, (flags & RiFlags.WAITALL) !== 0);
      if (result >= 0) memory.view.setUint16(flagsAt >>> 0, transfer.truncated ? RECV_DATA_TRUNCATED : 0, true);
      return store(result, lengthAt);
    },

    sock_send(fd: number, iovecsAt: number, count: number, flags: number, lengthAt: number): number {
      const descriptor = table.get(fd);
      if (descriptor === undefined) return ERRNO_BADF;
      if (!descriptor.isSocket) return ERRNO_NOTSOCK;
      if (!memory.has(lengthAt, 4)) return ERRNO_FAULT;
      if (flags !== 0) return ERRNO_INVAL;
      return iovecs.read(iovecsAt, count) || store(transfer.send(descriptor), lengthAt);
    },
  };
}
