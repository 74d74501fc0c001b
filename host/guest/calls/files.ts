/**
 * Owns the calls on files that are open: positions, sizes, times, reading and writing somewhere in a file. Knows the
 * layouts; leaves the moving of bytes to {@link Transfer}.
 */

import type { FileAdvice, SeekFrom } from "../../backend/backend.js";
import {
  ERRNO_BADF,
  ERRNO_FAULT,
  ERRNO_INVAL,
  ERRNO_ISDIR,
  ERRNO_NOTCAPABLE,
  ERRNO_NOTSUP,
  ERRNO_ROFS,
  ERRNO_SPIPE,
  ERRNO_SUCCESS,
} from "../../wasi/errno.js";
import { Filestat, Rights } from "../../wasi/layout.js";
import type { Descriptor } from "../descriptors.js";
import { timesOf, writeStatus } from "../file-status.js";
import { CHANGING_RIGHTS } from "../rights.js";
import type { Transfer } from "../transfer.js";
import type { GuestContext } from "./context.js";

const WHENCES: readonly (SeekFrom | undefined)[] = ["start", "current", "end"];
const ADVICES: readonly (FileAdvice | undefined)[] = [
  "normal",
  "sequential",
  "random",
  "willNeed",
  "dontNeed",
  "noReuse",
];

/** The errno for a descriptor that lacks one of `rights`, or 0. */
export function lacking(descriptor: Descriptor, rights: bigint): number {
  if ((descriptor.rights & rights) === rights) return ERRNO_SUCCESS;
  return descriptor.isReadOnly && (rights & CHANGING_RIGHTS) !== 0n ? ERRNO_ROFS : ERRNO_NOTCAPABLE;
}

export function createFileCalls({ backend, errnos, iovecs, memory, table }: GuestContext, transfer: Transfer) {
  /** Calls with a file that has `rights`; what is neither that nor a directory answers `otherwise`. */
  function onFile(fd: number, rights: bigint, otherwise: number, call: (descriptor: Descriptor) => number): number {
    const descriptor = table.get(fd);
    if (descriptor === undefined) return ERRNO_BADF;
    if (descriptor.isDirectory) return ERRNO_ISDIR;
    if (!descriptor.isFile) return otherwise;
    return lacking(descriptor, rights) || call(descriptor);
  }

  /** The same for calls that a directory takes as well. */
  function onAny(fd: number, rights: bigint, otherwise: number, call: (descriptor: Descriptor) => number): number {
    const descriptor = table.get(fd);
    if (descriptor?.isDirectory === true) return lacking(descriptor, rights) || call(descriptor);
    return onFile(fd, rights, otherwise, call);
  }

  const errnoOf = (result: number): number => (result < 0 ? errnos.wasi(result) : ERRNO_SUCCESS);

  function seek({ fd }: Descriptor, offset: bigint, from: SeekFrom, at: number): number {
    const position = backend.seek(fd, offset, from);
    if (position < 0n) return errnos.wasi(Number(position));
    memory.view.setBigUint64(at >>> 0, position, true);
    return ERRNO_SUCCESS;
  }

  /** Stores how many bytes a transfer has moved. */
  function moved(result: number, lengthAt: number): number {
    if (result < 0) return -result;
    memory.setUint32(lengthAt, result);
    return ERRNO_SUCCESS;
  }

  return {
    fd_seek(fd: number, offset: bigint, whence: number, at: number): number {
      const from = WHENCES[whence];
      const isTell = offset === 0n && from === "current";
      const descriptor = table.get(fd);
      const hasTell = isTell && descriptor !== undefined && (descriptor.rights & Rights.FD_TELL) !== 0n;
      return onFile(fd, hasTell ? Rights.FD_TELL : Rights.FD_SEEK, ERRNO_SPIPE, (file) => {
        if (from === undefined) return ERRNO_INVAL;
        return memory.has(at, 8) ? seek(file, offset, from, at) : ERRNO_FAULT;
      });
    },

    fd_tell: (fd: number, at: number): number =>
      onFile(fd, Rights.FD_TELL, ERRNO_SPIPE, (file) =>
        memory.has(at, 8) ? seek(file, 0n, "current", at) : ERRNO_FAULT,
      ),

    fd_pread: (fd: number, iovecsAt: number, count: number, offset: bigint, lengthAt: number): number =>
      onFile(fd, Rights.FD_READ | Rights.FD_SEEK, ERRNO_SPIPE, (file) => {
        if (!memory.has(lengthAt, 4)) return ERRNO_FAULT;
        return iovecs.read(iovecsAt, count) || moved(transfer.receiveAt(file, offset), lengthAt);
      }),

    fd_pwrite: (fd: number, iovecsAt: number, count: number, offset: bigint, lengthAt: number): number =>
      onFile(fd, Rights.FD_WRITE | Rights.FD_SEEK, ERRNO_SPIPE, (file) => {
        if (!memory.has(lengthAt, 4)) return ERRNO_FAULT;
        return iovecs.read(iovecsAt, count) || moved(transfer.sendAt(file, offset), lengthAt);
      }),

    fd_advise: (fd: number, offset: bigint, length: bigint, number: number): number =>
      onFile(fd, Rights.FD_ADVISE, ERRNO_SPIPE, (file) => {
        const advice = ADVICES[number];
        return advice === undefined ? ERRNO_INVAL : errnoOf(backend.advise(file.fd, offset, length, advice));
      }),

    fd_allocate: (fd: number, offset: bigint, length: bigint): number =>
      onFile(fd, Rights.FD_ALLOCATE, ERRNO_SPIPE, (file) => errnoOf(backend.allocate(file.fd, offset, length))),

    fd_datasync: (fd: number): number =>
      onAny(fd, Rights.FD_DATASYNC, ERRNO_INVAL, (file) => errnoOf(backend.synchronize(file.fd, true))),

    fd_sync: (fd: number): number =>
      onAny(fd, Rights.FD_SYNC, ERRNO_INVAL, (file) => errnoOf(backend.synchronize(file.fd, false))),

    fd_filestat_set_size: (fd: number, length: bigint): number =>
      onFile(fd, Rights.FD_FILESTAT_SET_SIZE, ERRNO_INVAL, (file) => errnoOf(backend.setLength(file.fd, length))),

    fd_filestat_set_times: (fd: number, accessedNs: bigint, modifiedNs: bigint, flags: number): number =>
      onAny(fd, Rights.FD_FILESTAT_SET_TIMES, ERRNO_NOTSUP, (file) => {
        const times = timesOf(accessedNs, modifiedNs, flags);
        return times === undefined ? ERRNO_INVAL : errnoOf(backend.setTimes(file.fd, ...times));
      }),

    fd_filestat_get(fd: number, at: number): number {
      const descriptor = table.get(fd);
      if (descriptor === undefined) return ERRNO_BADF;
      if (!memory.has(at, Filestat.SIZE)) return ERRNO_FAULT;
      const failed = lacking(descriptor, Rights.FD_FILESTAT_GET);
      if (failed !== ERRNO_SUCCESS) return failed;
      if (descriptor.isFile || descriptor.isDirectory) {
        const status = backend.status(descriptor.fd);
        if (typeof status === "number") return errnos.wasi(status);
        writeStatus(memory, at, status);
        return ERRNO_SUCCESS;
      }
      // What a stream or a socket is on the host is none of the guest's business.
      memory.slice(at, Filestat.SIZE).fill(0);
      memory.view.setUint8((at >>> 0) + Filestat.FILETYPE, descriptor.filetype);
      memory.view.setBigUint64((at >>> 0) + Filestat.NLINK, 1n, true);
      return ERRNO_SUCCESS;
    },
  };
}
