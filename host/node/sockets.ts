/**
 * Owns the socket calls. Knows no poll set and no loop. Results are -errno for a failure; buffers for addresses and
 * values are made once and used by every call.
 */

import type { Accepted, Backend, Family, SocketAddress, SocketOption } from "../backend/backend.js";
import { copyOf } from "../backend/bytes.js";
import { AddressBuffer } from "./addresses.js";
import {
  AF_INET,
  AF_UNIX,
  errnos,
  MSG_OOB,
  type PlatformConstants,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  socketLevel,
} from "./constants.js";
import { setCloseOnExec, setNonBlocking } from "./descriptors.js";
import type { Libc } from "./libc.js";
import type { Scratch } from "./scratch.js";
import { createVectorSend } from "./vector.js";

/** The part of {@link Backend} that this file answers for. */
export type SocketCalls = Pick<
  Backend,
  | "socket"
  | "socketPair"
  | "bind"
  | "listen"
  | "accept"
  | "connect"
  | "shutdown"
  | "recv"
  | "receive"
  | "recvOutOfBand"
  | "send"
  | "sendVector"
  | "sendOutOfBand"
  | "recvFrom"
  | "sendTo"
  | "getOption"
  | "setOption"
  | "localAddress"
  | "remoteAddress"
  | "family"
>;

const TYPES = { stream: SOCK_STREAM, dgram: SOCK_DGRAM } as const;
/** Options that BSD tells as a bit of its own where Linux says 1. */
const SWITCHES: ReadonlySet<SocketOption> = new Set([
  "SO_REUSEADDR",
  "SO_REUSEPORT",
  "SO_KEEPALIVE",
  "SO_BROADCAST",
  "SO_OOBINLINE",
  "SO_ACCEPTCONN",
  "TCP_NODELAY",
  "IPV6_V6ONLY",
]);
const HOWS = { read: 0, write: 1, both: 2 } as const;

export function createSocketCalls(libc: Libc, constants: PlatformConstants, scratch: Scratch): SocketCalls {
  const { errno, linux } = libc;
  const { EINTR } = errnos;
  const { MSG_NOSIGNAL } = constants;
  const domains = { unix: AF_UNIX, IPv4: AF_INET, IPv6: constants.AF_INET6 } as const;
  const flags = linux === undefined ? 0 : SOCK_NONBLOCK | SOCK_CLOEXEC;
  const address = new AddressBuffer(libc, constants);
  const pair = new Int32Array(2);
  /** An option's value: an int, or struct linger, which is two. */
  const value = new Int32Array(2);
  const valueLength = new Uint32Array(1);

  /** What SOCK_NONBLOCK, SOCK_CLOEXEC and MSG_NOSIGNAL do on Linux. Closes the descriptor when it fails. */
  function prepared(fd: number): number {
    if (linux !== undefined) return fd;
    let failed = setCloseOnExec(libc, fd, true) || setNonBlocking(libc, constants, fd, true);
    if (failed === 0 && constants.SO_NOSIGPIPE !== 0) {
      value[0] = 1;
      if (libc.setsockopt(fd, socketLevel(constants), constants.SO_NOSIGPIPE, value, 4) < 0) failed = -errno();
    }
    if (failed === 0) return fd;
    libc.close(fd);
    return failed;
  }

  function socketPair(type: keyof typeof TYPES): readonly [number, number] | number {
    if (libc.socketpair(AF_UNIX, TYPES[type] | flags, 0, pair) < 0) return -errno();
    const [first = -1, second = -1] = pair;
    const one = prepared(first);
    if (one < 0) {
      libc.close(second);
      return one;
    }
    const other = prepared(second);
    if (other >= 0) return [one, other];
    libc.close(one);
    return other;
  }

  function accept(fd: number): Accepted | number {
    while (true) {
      address.reset();
      const accepted =
        linux === undefined
          ? libc.accept(fd, address.bytes, address.length)
          : linux.accept4(fd, address.bytes, address.length, flags);
      if (accepted >= 0) {
        // Decoded first: to prepare the descriptor is to make other calls.
        const from = address.decode();
        const ready = prepared(accepted);
        return ready < 0 ? ready : { fd: ready, address: from };
      }
      const failed = errno();
      if (failed !== EINTR) return -failed;
    }
  }

  function recv(fd: number, target: Uint8Array, most: number, how: number): number {
    while (true) {
      const length =
        target === scratch.bytes ? libc.recvAt(fd, scratch.bytesAt, most, how) : libc.recv(fd, target, most, how);
      if (length >= 0) return length;
      const failed = errno();
      if (failed !== EINTR) return -failed;
    }
  }

  function receive(fd: number, most: number): Uint8Array | number {
    const target = most <= scratch.bytes.length ? scratch.bytes : new Uint8Array(most);
    const length = recv(fd, target, most, 0);
    return length < 0 ? length : copyOf(target, length);
  }

  function send(fd: number, data: Uint8Array, how: number): number {
    const at = scratch.stage(data);
    while (true) {
      const length = at === 0 ? libc.send(fd, data, data.length, how) : libc.sendAt(fd, at, data.length, how);
      if (length >= 0) return length;
      const failed = errno();
      if (failed !== EINTR) return -failed;
    }
  }

  function remoteAddress(fd: number): SocketAddress | number {
    address.reset();
    return libc.getpeername(fd, address.bytes, address.length) < 0 ? -errno() : address.decode();
  }

  function recvFrom(fd: number, target: Uint8Array): ReturnType<Backend["recvFrom"]> {
    while (true) {
      address.reset();
      const length = libc.recvfrom(fd, target, target.length, 0, address.bytes, address.length);
      if (length >= 0) {
        if (address.length[0] !== 0) return { length, address: address.decode() };
        // A stream does not say who sent: it is the peer. A Unix socket without a name says nothing either.
        const peer = remoteAddress(fd);
        return { length, address: typeof peer === "number" ? { path: "" } : peer };
      }
      const failed = errno();
      if (failed !== EINTR) return -failed;
    }
  }

  function sendTo(fd: number, data: Uint8Array, to: SocketAddress): number {
    const size = address.encode(to);
    if (size < 0) return size;
    while (true) {
      const length = libc.sendto(fd, data, data.length, MSG_NOSIGNAL, address.bytes, size);
      if (length >= 0) return length;
      const failed = errno();
      if (failed !== EINTR) return -failed;
    }
  }

  function connect(fd: number, to: SocketAddress): number {
    const size = address.encode(to);
    if (size < 0) return size;
    if (libc.connect(fd, address.bytes, size) >= 0) return 0;
    const failed = errno();
    // A signal does not end a connect: it goes on by itself.
    return failed === EINTR ? -errnos.EINPROGRESS : -failed;
  }

  function getOption(fd: number, option: SocketOption): number {
    const [level, number] = constants.options[option];
    valueLength[0] = 8;
    if (libc.getsockopt(fd, level, number, value, valueLength) < 0) return -errno();
    const [first = 0, second = 0] = value;
    if (option === "SO_LINGER") return first === 0 ? -1 : second;
    return SWITCHES.has(option) ? Number(first !== 0) : first;
  }

  function setOption(fd: number, option: SocketOption, wanted: number): number {
    const [level, number] = constants.options[option];
    const linger = option === "SO_LINGER";
    value[0] = linger ? Number(wanted >= 0) : wanted;
    value[1] = Math.max(wanted, 0);
    return libc.setsockopt(fd, level, number, value, linger ? 8 : 4) < 0 ? -errno() : 0;
  }

  function family(fd: number): Family | number {
    let domain: number;
    if (constants.SO_DOMAIN === 0) {
      address.reset();
      if (libc.getsockname(fd, address.bytes, address.length) < 0) return -errno();
      domain = address.family;
    } else {
      valueLength[0] = 4;
      const level = socketLevel(constants);
      if (libc.getsockopt(fd, level, constants.SO_DOMAIN, value, valueLength) < 0) return -errno();
      domain = value[0] ?? 0;
    }
    if (domain === AF_INET) return "IPv4";
    if (domain === constants.AF_INET6) return "IPv6";
    return domain === AF_UNIX ? "unix" : -errnos.EAFNOSUPPORT;
  }

  return {
    socket(of, type) {
      const fd = libc.socket(domains[of], TYPES[type] | flags, 0);
      return fd < 0 ? -errno() : prepared(fd);
    },
    socketPair,
    bind(fd, to) {
      const size = address.encode(to);
      if (size < 0) return size;
      return libc.bind(fd, address.bytes, size) < 0 ? -errno() : 0;
    },
    listen: (fd, backlog) => (libc.listen(fd, backlog) < 0 ? -errno() : 0),
    accept,
    connect,
    shutdown: (fd, how) => (libc.shutdown(fd, HOWS[how]) < 0 ? -errno() : 0),
    recv: (fd, target, length = target.length) => recv(fd, target, length, 0),
    receive,
    recvOutOfBand: (fd, target) => recv(fd, target, target.length, MSG_OOB),
    send: (fd, data) => send(fd, data, MSG_NOSIGNAL),
    sendVector: createVectorSend(libc, constants),
    sendOutOfBand: (fd, data) => send(fd, data, MSG_NOSIGNAL | MSG_OOB),
    recvFrom,
    sendTo,
    getOption,
    setOption,
    localAddress(fd) {
      address.reset();
      return libc.getsockname(fd, address.bytes, address.length) < 0 ? -errno() : address.decode();
    },
    remoteAddress,
    family,
  };
}
