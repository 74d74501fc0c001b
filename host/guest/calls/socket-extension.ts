/**
 * Owns the socket calls that preview 1 does not have, with WasmEdge's signatures: a guest that is given them opens,
 * binds and connects sockets as it likes. Knows the backend seam and the table.
 *
 * WasmEdge distinguishes its first and its second signature of a call by the number of parameters; so does this.
 */

import { Ready, type Family, type SocketAddress, type SocketOption } from "../../backend/backend.js";
import {
  ERRNO_ACCES,
  ERRNO_AFNOSUPPORT,
  ERRNO_BADF,
  ERRNO_FAULT,
  ERRNO_INPROGRESS,
  ERRNO_INVAL,
  ERRNO_MFILE,
  ERRNO_NOPROTOOPT,
  ERRNO_NOSYS,
  ERRNO_NOTSOCK,
  ERRNO_NOTSUP,
  ERRNO_SUCCESS,
} from "../../wasi/errno.js";
import { AddressFamily, addressRoom, readAddress } from "../addresses.js";
import type { GuestContext } from "./context.js";
import type { Descriptor } from "../descriptors.js";
import { socketDescriptor } from "./sockets.js";
import type { Transfer } from "../transfer.js";

/** `sock_type`. */
const SockType = { DGRAM: 1, STREAM: 2 } as const;

const FAMILIES: readonly (Family | undefined)[] = [undefined, "IPv4", "IPv6", "unix"];

/** `sock_opt_so`, by number; one without a name can be neither set nor read. */
const OPTIONS: readonly (SocketOption | undefined)[] = [
  "SO_REUSEADDR",
  "SO_TYPE",
  "SO_ERROR",
  undefined,
  "SO_BROADCAST",
  "SO_SNDBUF",
  "SO_RCVBUF",
  "SO_KEEPALIVE",
  "SO_OOBINLINE",
  "SO_LINGER",
  "SO_RCVLOWAT",
  undefined,
  undefined,
  "SO_ACCEPTCONN",
];
const SOL_SOCKET = 0;
const LINGER_BYTES = 8;

/** @param unixPaths the paths of Unix sockets that the guest may bind, connect and send to */
export function createSocketExtension(context: GuestContext, transfer: Transfer, unixPaths: readonly string[]) {
  const { backend, errnos, iovecs, memory, table, waiting } = context;

  /** The socket, or the errno for what is none. */
  function socketOf(fd: number): Descriptor | number {
    const descriptor = table.get(fd);
    if (descriptor === undefined) return ERRNO_BADF;
    return descriptor.isSocket ? descriptor : ERRNO_NOTSOCK;
  }

  const errnoOf = (result: number): number => (result < 0 ? errnos.wasi(result) : ERRNO_SUCCESS);

  function connect({ fd, nonBlocking }: Descriptor, address: SocketAddress): number {
    const result = backend.connect(fd, address);
    const errno = errnoOf(result);
    if (errno !== ERRNO_INPROGRESS || nonBlocking) return errno;
    const { failed, pendingError } = waiting.wait(fd, Ready.WRITE, Infinity);
    return errnoOf(failed < 0 ? failed : pendingError);
  }

  /** What `call` does with a socket and an address of the guest's. */
  function withAddress(
    fd: number,
    at: number,
    port: number,
    call: (descriptor: Descriptor, address: SocketAddress) => number,
  ): number {
    const descriptor = socketOf(fd);
    if (typeof descriptor === "number") return descriptor;
    const address = readAddress(memory, at, port);
    if (typeof address === "number") return address;
    if (address.path !== undefined && !unixPaths.includes(address.path)) return ERRNO_ACCES;
    return call(descriptor, address);
  }

  /** Tells an address: (fd, address, port), or before that (fd, address, 4 or 6, port). */
  function tellAddress(
    found: (fd: number) => SocketAddress | number,
    fd: number,
    at: number,
    typeOrPortAt: number,
    lastAt?: number,
  ): number {
    const descriptor = socketOf(fd);
    if (typeof descriptor === "number") return descriptor;
    const portAt = lastAt ?? typeOrPortAt;
    const room = addressRoom(memory, at);
    if (typeof room === "number") return room;
    if (!memory.has(typeOrPortAt, 4) || !memory.has(portAt, 4)) return ERRNO_FAULT;
    const address = found(descriptor.fd);
    if (typeof address === "number") return errnos.wasi(address);
    const family = room.write(address);
    if (family < 0) return -family;
    if (lastAt !== undefined) memory.setUint32(typeOrPortAt, family === AddressFamily.INET4 ? 4 : 6);
    memory.setUint32(portAt, address.port ?? 0);
    return ERRNO_SUCCESS;
  }

  /** An option's value, as the guest is to have it; or -errno. */
  function optionOf(descriptor: Descriptor, option: Exclude<SocketOption, "SO_LINGER">): number {
    if (option === "SO_TYPE") return descriptor.isDatagram ? SockType.DGRAM : SockType.STREAM;
    const pending = option === "SO_ERROR" ? descriptor.takePendingError() : ERRNO_SUCCESS;
    if (pending !== ERRNO_SUCCESS) return pending;
    const value = backend.getOption(descriptor.fd, option);
    return option === "SO_ERROR" && value > 0 ? errnos.wasi(-value) : value;
  }

  /** Writes an option's value at `at`, where it has room. @returns a WASI errno */
  function writeOption(descriptor: Descriptor, option: SocketOption, at: number): number {
    if (option === "SO_LINGER") {
      const linger = backend.getLinger(descriptor.fd);
      if (typeof linger === "number") return errnos.wasi(linger);
      memory.setUint32(at, Number(linger.on));
      memory.setUint32(at + 4, linger.seconds);
      return ERRNO_SUCCESS;
    }
    const value = optionOf(descriptor, option);
    if (value < 0) return errnos.wasi(value);
    memory.setUint32(at, value);
    return ERRNO_SUCCESS;
  }

  return {
    sock_open(family: number, type: number, at: number): number {
      const name = FAMILIES[family];
      if (name === undefined) return ERRNO_AFNOSUPPORT;
      if (name === "unix" && unixPaths.length === 0) return ERRNO_ACCES;
      if (type !== SockType.DGRAM && type !== SockType.STREAM) return ERRNO_INVAL;
      if (!memory.has(at, 4)) return ERRNO_FAULT;
      if (table.isFull) return ERRNO_MFILE;
      const isDatagram = type === SockType.DGRAM;
      const fd = backend.socket(name, isDatagram ? "dgram" : "stream");
      if (fd < 0) return errnos.wasi(fd);
      memory.setUint32(at, table.add(socketDescriptor(fd, isDatagram, false)));
      return ERRNO_SUCCESS;
    },

    sock_bind: (fd: number, addressAt: number, port: number): number =>
      withAddress(fd, addressAt, port, (descriptor, address) => errnoOf(backend.bind(descriptor.fd, address))),

    sock_connect: (fd: number, addressAt: number, port: number): number => withAddress(fd, addressAt, port, connect),

    sock_listen(fd: number, backlog: number): number {
      const descriptor = socketOf(fd);
      if (typeof descriptor === "number") return descriptor;
      return errnoOf(backend.listen(descriptor.fd, Math.max(0, backlog)));
    },

    sock_getlocaladdr: (fd: number, addressAt: number, typeOrPortAt: number, portAt?: number): number =>
      tellAddress((each) => backend.localAddress(each), fd, addressAt, typeOrPortAt, portAt),

    sock_getpeeraddr: (fd: number, addressAt: number, typeOrPortAt: number, portAt?: number): number =>
      tellAddress((each) => backend.remoteAddress(each), fd, addressAt, typeOrPortAt, portAt),

    sock_getsockopt(fd: number, level: number, name: number, at: number, sizeAt: number): number {
      const descriptor = socketOf(fd);
      if (typeof descriptor === "number") return descriptor;
      if (!memory.has(sizeAt, 4)) return ERRNO_FAULT;
      const size = memory.view.getUint32(sizeAt >>> 0, true);
      if (!memory.has(at, size)) return ERRNO_FAULT;
      const option = level === SOL_SOCKET ? OPTIONS[name] : undefined;
      if (option === undefined) return ERRNO_NOPROTOOPT;
      const needed = option === "SO_LINGER" ? LINGER_BYTES : 4;
      if (size < needed) return ERRNO_INVAL;
      const failed = writeOption(descriptor, option, at);
      if (failed === ERRNO_SUCCESS) memory.setUint32(sizeAt, needed);
      return failed;
    },

    sock_setsockopt(fd: number, level: number, name: number, at: number, size: number): number {
      const descriptor = socketOf(fd);
      if (typeof descriptor === "number") return descriptor;
      if (!memory.has(at, size)) return ERRNO_FAULT;
      const option = level === SOL_SOCKET ? OPTIONS[name] : undefined;
      if (option === undefined) return ERRNO_NOPROTOOPT;
      if (size >>> 0 < (option === "SO_LINGER" ? LINGER_BYTES : 4)) return ERRNO_INVAL;
      const value = memory.view.getInt32(at >>> 0, true);
      // Read-only in the kernel.
      if (option === "SO_TYPE") return ERRNO_NOPROTOOPT;
      if (option !== "SO_LINGER") return errnoOf(backend.setOption(descriptor.fd, option, value));
      const seconds = memory.view.getInt32((at >>> 0) + 4, true);
      return errnoOf(backend.setLinger(descriptor.fd, { on: value !== 0, seconds: Math.max(0, seconds) }));
    },

    /** (fd, iovecs, count, address, flags, port, length, flags), or without the port. */
    sock_recv_from(
      fd: number,
      iovecsAt: number,
      count: number,
      addressAt: number,
      flags: number,
      ...results: number[]
    ): number {
      const descriptor = socketOf(fd);
      if (typeof descriptor === "number") return descriptor;
      const [lengthAt = 0, flagsAt = 0] = results.slice(-2);
      const portAt = results.length > 2 ? results[0] : undefined;
      if (!memory.has(lengthAt, 4) || !memory.has(flagsAt, 2)) return ERRNO_FAULT;
      if (portAt !== undefined && !memory.has(portAt, 4)) return ERRNO_FAULT;
      if (flags !== 0) return ERRNO_NOTSUP;
      const room = addressRoom(memory, addressAt);
      if (typeof room === "number") return room;
      const failed = iovecs.read(iovecsAt, count);
      if (failed !== ERRNO_SUCCESS) return failed;
      const received = transfer.receiveFrom(descriptor);
      if (typeof received === "number") return -received;
      // A sender without a name, of a Unix socket, has no address that would not fit.
      room.write(received.address);
      if (portAt !== undefined) memory.setUint32(portAt, received.address.port ?? 0);
      memory.setUint32(lengthAt, received.length);
      memory.view.setUint16(flagsAt >>> 0, Number(transfer.truncated), true);
      return ERRNO_SUCCESS;
    },

    sock_send_to(
      fd: number,
      iovecsAt: number,
      count: number,
      addressAt: number,
      port: number,
      flags: number,
      lengthAt: number,
    ): number {
      if (!memory.has(lengthAt, 4)) return ERRNO_FAULT;
      if (flags !== 0) return ERRNO_INVAL;
      return withAddress(fd, addressAt, port, (descriptor, address) => {
        const failed = iovecs.read(iovecsAt, count);
        if (failed !== ERRNO_SUCCESS) return failed;
        const result = transfer.sendTo(descriptor, (data) => backend.sendTo(descriptor.fd, data, address));
        if (result < 0) return -result;
        memory.setUint32(lengthAt, result);
        return ERRNO_SUCCESS;
      });
    },

    // A lookup would block the host for as long as a name server likes: a guest is given numeric addresses.
    sock_getaddrinfo: (..._parameters: number[]): number => ERRNO_NOSYS,
  };
}
