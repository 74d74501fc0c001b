/**
 * Owns preview 1's calls that concern sockets alone: sock_accept and sock_shutdown. Knows the backend seam and the
 * table; sock_recv and sock_send are with the other calls that move bytes.
 */

import { Ready, type Backend, type ShutdownHow } from "../../backend/backend.js";
import {
  ERRNO_AGAIN,
  ERRNO_BADF,
  ERRNO_FAULT,
  ERRNO_INVAL,
  ERRNO_MFILE,
  ERRNO_NOTSOCK,
  ERRNO_SUCCESS,
} from "../../wasi/errno.js";
import type { GuestContext } from "./context.js";
import { Descriptor, type DescriptorInit } from "../descriptors.js";
import { FdFlags, Filetype, SdFlags } from "../../wasi/layout.js";

const HOWS: readonly (ShutdownHow | undefined)[] = [undefined, "read", "write", "both"];

/** What a guest's socket is in its table; the guest owns it from then on. */
export function socketDescriptor(fd: number, isDatagram: boolean, nonBlocking: boolean): Descriptor {
  const filetype = isDatagram ? Filetype.SOCKET_DGRAM : Filetype.SOCKET_STREAM;
  const init: DescriptorInit = { fd, filetype, readable: true, writable: true, owned: true, nonBlocking };
  return new Descriptor(init);
}

/** Is the backend's socket `fd` one for datagrams? */
export function isDatagramSocket(backend: Backend, fd: number): boolean {
  return backend.socketType(fd) === "dgram";
}

export function socketImports({ backend, errnos, memory, table, waiting, watcher }: GuestContext) {
  /** Accepts, and waits for that if the guest waits. @returns the backend's descriptor, or a WASI errno below zero. */
  function accept({ fd, nonBlocking }: Descriptor): number {
    while (true) {
      const accepted = backend.accept(fd);
      if (typeof accepted !== "number") {
        watcher.accepted?.(accepted.address);
        return accepted.fd;
      }
      const errno = errnos.wasi(accepted);
      if (errno !== ERRNO_AGAIN || nonBlocking) return -errno;
      const { failed } = waiting.wait(fd, Ready.READ, Infinity);
      if (failed < 0) return -errnos.wasi(failed);
    }
  }

  return {
    /** Guests of WasmEdge's first socket calls know no flags: (descriptor, address of the result). */
    sock_accept(fd: number, flagsOrAt: number, resultAt?: number): number {
      const flags = resultAt === undefined ? 0 : flagsOrAt;
      const at = resultAt ?? flagsOrAt;
      const descriptor = table.get(fd);
      if (descriptor === undefined) return ERRNO_BADF;
      if (!descriptor.isSocket) return ERRNO_NOTSOCK;
      if ((flags & ~FdFlags.NONBLOCK) !== 0) return ERRNO_INVAL;
      if (!memory.has(at, 4)) return ERRNO_FAULT;
      if (table.isFull) return ERRNO_MFILE;
      const accepted = accept(descriptor);
      if (accepted < 0) return -accepted;
      memory.setUint32(at, table.add(socketDescriptor(accepted, false, flags !== 0)));
      return ERRNO_SUCCESS;
    },

    sock_shutdown(fd: number, flags: number): number {
      const descriptor = table.get(fd);
      if (descriptor === undefined) return ERRNO_BADF;
      if (!descriptor.isSocket) return ERRNO_NOTSOCK;
      const how = (flags & ~(SdFlags.RD | SdFlags.WR)) === 0 ? HOWS[flags] : undefined;
      if (how === undefined) return ERRNO_INVAL;
      const failed = backend.shutdown(descriptor.fd, how);
      return failed < 0 ? errnos.wasi(failed) : ERRNO_SUCCESS;
    },
  };
}
