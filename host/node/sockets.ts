/**
 * Owns the socket calls. Knows no poll set and no loop. Results are -errno for a failure; buffers for addresses and
 * values are made once and used by every call.
 */

import type {
  Accepted,
  Datagram,
  Family,
  IntegerOption,
  Linger,
  Received,
  SocketAddress,
  SocketCalls,
  SocketType,
} from "../backend/backend.js";
import { copyOf, isLength, lengthOf, roomOf } from "../backend/bytes.js";
import { AddressBuffer } from "./addresses.js";
import {
  AF_INET,
  AF_UNIX,
  errnos,
  MSG_OOB,
  MSG_PEEK,
  type OptionNumbers,
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

const TYPES = { stream: SOCK_STREAM, dgram: SOCK_DGRAM } as const;
/** Options whose value on BSD is a bit of its own where Linux has 1. */
const SWITCHES: ReadonlySet<IntegerOption> = new Set([
  "SO_REUSEADDR",
  "SO_REUSEPORT",
  "SO_KEEPALIVE",
  "SO_BROADCAST",
  "SO_OOBINLINE",
  "SO_ACCEPTCONN",
  "TCP_NODELAY",
  "IPV6_V6ONLY",
  "IP_MULTICAST_LOOP",
  "IPV6_MULTICAST_LOOP",
]);
const HOWS = { read: 0, write: 1, both: 2 } as const;

export function createSocketCalls(libc: Libc, constants: PlatformConstants, scratch: Scratch): SocketCalls {
  const { errno, linux } = libc;
  const { EINTR } = errnos;
  const { MSG_NOSIGNAL } = constants;
  const domains = { unix: AF_UNIX, IPv4: AF_INET, IPv6: constants.AF_INET6 } as const;
  const flags = linux === undefined ? 0 : SOCK_NONBLOCK | SOCK_CLOEXEC;
  const { slab } = scratch;
  const address = new AddressBuffer(libc, constants);
  const pair = new Int32Array(2);
  /** An option's value: an int; or struct linger, which is two: on, and seconds. */
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
          : linux.accept4(fd, address.bytesAt, address.lengthAt, flags);
      if (accepted >= 0) {
        // Decoded first: the calls that prepare the descriptor may overwrite the buffer.
        const from = address.decode();
        const ready = prepared(accepted);
        return ready < 0 ? ready : { fd: ready, address: from };
      }
      const failed = errno();
      if (failed !== EINTR) return -failed;
    }
  }

  function recvAt(fd: number, at: number, length: number, how: number): number {
    while (true) {
      const count = libc.recvAt(fd, at, length, how);
      if (count >= 0) return count;
      const failed = errno();
      if (failed !== EINTR) return -failed;
    }
  }

  function recv(fd: number, target: Uint8Array, wanted: number | undefined, how: number): number {
    const length = roomOf(target, wanted);
    if (length < 0) return -errnos.EINVAL;
    const count = recvAt(fd, scratch.toReceive(target, length), length, how);
    scratch.received(target, length, count);
    return count;
  }

  function receive(fd: number, most: number): Uint8Array | number {
    if (!isLength(most)) return -errnos.EINVAL;
    if (slab.takes(most)) {
      const count = recvAt(fd, slab.address, most, 0);
      return count < 0 ? count : slab.received(count);
    }
    if (most <= scratch.bytes.length) {
      const count = recvAt(fd, scratch.bytesAt, most, 0);
      return count < 0 ? count : copyOf(scratch.bytes, count);
    }
    const target = new Uint8Array(most);
    const count = recv(fd, target, most, 0);
    return count < 0 ? count : copyOf(target, count);
  }

  function send(fd: number, data: Uint8Array, how: number): number {
    const length = lengthOf(data);
    const at = scratch.toSend(data, length);
    while (true) {
      const count = libc.sendAt(fd, at, length, how);
      if (count >= 0) return count;
      const failed = errno();
      if (failed !== EINTR) return -failed;
    }
  }

  function remoteAddress(fd: number): SocketAddress | number {
    address.reset();
    return libc.getpeername(fd, address.bytes, address.length) < 0 ? -errno() : address.decode();
  }

  function recvFromAt(fd: number, at: number, most: number): Received | number {
    while (true) {
      address.reset();
      const length = libc.recvfromAt(fd, at, most, 0, address.bytes, address.length);
      if (length >= 0) {
        if (address.length[0] !== 0) return { length, address: address.decode() };
        // recvfrom gives no sender for a stream, whose sender is the peer, nor for an unnamed Unix socket.
        const peer = remoteAddress(fd);
        return { length, address: typeof peer === "number" ? { path: "" } : peer };
      }
      const failed = errno();
      if (failed !== EINTR) return -failed;
    }
  }

  function recvFrom(fd: number, target: Uint8Array, wanted?: number): Received | number {
    const length = roomOf(target, wanted);
    if (length < 0) return -errnos.EINVAL;
    const received = recvFromAt(fd, scratch.toReceive(target, length), length);
    if (typeof received === "object") scratch.received(target, length, received.length);
    return received;
  }

  function receiveFrom(fd: number, most: number): Datagram | number {
    if (!isLength(most)) return -errnos.EINVAL;
    const isSmall = most <= scratch.bytes.length;
    const target = isSmall ? scratch.bytes : new Uint8Array(most);
    const received = isSmall ? recvFromAt(fd, scratch.bytesAt, most) : recvFrom(fd, target);
    if (typeof received === "number") return received;
    return { data: copyOf(target, received.length), address: received.address };
  }

  function sendTo(fd: number, data: Uint8Array, to: SocketAddress): number {
    const size = address.encode(to);
    if (size < 0) return size;
    const length = lengthOf(data);
    const at = scratch.toSend(data, length);
    while (true) {
      const count = libc.sendtoAt(fd, at, length, MSG_NOSIGNAL, address.bytes, size);
      if (count >= 0) return count;
      const failed = errno();
      if (failed !== EINTR) return -failed;
    }
  }

  function connect(fd: number, to: SocketAddress): number {
    const size = address.encode(to);
    if (size < 0) return size;
    if (libc.connect(fd, address.bytes, size) >= 0) return 0;
    const failed = errno();
    // A signal does not end a connect: it goes on in the background.
    return failed === EINTR ? -errnos.EINPROGRESS : -failed;
  }

  /** Reads an option into {@link value}. 0 or -errno. */
  function readOption(fd: number, [level, option]: OptionNumbers): number {
    // BSD has options of one byte.
    value[0] = 0;
    valueLength[0] = 8;
    return libc.getsockopt(fd, level, option, value, valueLength) < 0 ? -errno() : 0;
  }

  function getOption(fd: number, option: IntegerOption): number {
    if (constants.options[option][0] < 0) return -errnos.ENOPROTOOPT;
    const failed = readOption(fd, constants.options[option]);
    if (failed < 0) return failed;
    const [first = 0] = value;
    return SWITCHES.has(option) ? Number(first !== 0) : first;
  }

  function setOption(fd: number, option: IntegerOption, wanted: number): number {
    const [level, number] = constants.options[option];
    value[0] = wanted;
    if (level < 0) return -errnos.ENOPROTOOPT;
    return libc.setsockopt(fd, level, number, value, 4) < 0 ? -errno() : 0;
  }

  function getLinger(fd: number): Linger | number {
    const failed = readOption(fd, constants.options.SO_LINGER);
    if (failed < 0) return failed;
    const [on = 0, seconds = 0] = value;
    // Linux keeps the seconds when the option is switched off.
    return on === 0 ? { on: false, seconds: 0 } : { on: true, seconds };
  }

  function setLinger(fd: number, { on, seconds }: Linger): number {
    const [level, number] = constants.options.SO_LINGER;
    value[0] = Number(on);
    value[1] = seconds;
    return libc.setsockopt(fd, level, number, value, 8) < 0 ? -errno() : 0;
  }

  function socketType(fd: number): SocketType | number {
    const failed = readOption(fd, constants.options.SO_TYPE);
    if (failed < 0) return failed;
    if (value[0] === SOCK_STREAM) return "stream";
    return value[0] === SOCK_DGRAM ? "dgram" : -errnos.EPROTONOSUPPORT;
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
    recv: (fd, target, length) => recv(fd, target, length, 0),
    peek: (fd, target, length) => recv(fd, target, length, MSG_PEEK),
    receive,
    recvFrom,
    receiveFrom,
    recvOutOfBand: (fd, target) => recv(fd, target, undefined, MSG_OOB),
    send: (fd, data) => send(fd, data, MSG_NOSIGNAL),
    sendVector: createVectorSend(libc, constants),
    sendOutOfBand: (fd, data) => send(fd, data, MSG_NOSIGNAL | MSG_OOB),
    sendTo,
    getOption,
    setOption,
    getLinger,
    setLinger,
    socketType,
    localAddress(fd) {
      address.reset();
      return libc.getsockname(fd, address.bytes, address.length) < 0 ? -errno() : address.decode();
    },
    remoteAddress,
    family,
  };
}
