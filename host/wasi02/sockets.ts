/** Owns the calls on sockets, by kind: leaves TCP and UDP to their files, options to options.ts. Knows no poll. */

import type { SocketAddress, SocketCalls } from "../backend/backend.js";
import type { IpSocketAddress } from "wasi:sockets/network@0.2.0";
import { copyTo, isLength, lengthOf, roomOf } from "../backend/bytes.js";
import { fromWasi, toWasi } from "./addresses.js";
import { type Descriptor, type Descriptors, Stage } from "./descriptors.js";
import { ERRNO, errnoOf } from "./errors.js";
import { getLinger, getOption, setLinger, setOption } from "./options.js";
import type { PendingOutput } from "./pending-output.js";
import { plain, readInput, writeOutput } from "./streams.js";
import { acceptTcp, advance, bindTcp, connectTcp, listenTcp, openTcp } from "./tcp.js";
import { bindUdp, connectUdp, openUdp, peekUdp, receiveUdp, sendUdp } from "./udp.js";

const EMPTY = new Uint8Array(0);
const DATAGRAM_BYTES_MAX = 65_535;
/** IOV_MAX of Linux, which limits a call. */
const PIECES_MAX = 1024;

export function createSocketCalls(descriptors: Descriptors, pending: PendingOutput): SocketCalls {
  /** The socket behind a number, or -errno. */
  function socketAt(fd: number): Descriptor | number {
    const descriptor = descriptors.at(fd);
    if (descriptor === undefined) return -ERRNO.EBADF;
    return descriptor.isSocket ? descriptor : -ERRNO.ENOTSOCK;
  }

  function withAddress(
    fd: number,
    address: SocketAddress,
    call: (descriptor: Descriptor, address: IpSocketAddress) => number,
  ): number {
    const descriptor = socketAt(fd);
    if (typeof descriptor === "number") return descriptor;
    if (address.path !== undefined) return -ERRNO.EAFNOSUPPORT;
    const wasi = toWasi(address);
    if (wasi === undefined) return -ERRNO.EINVAL;
    if ((wasi.tag === "ipv4") !== (descriptor.family === "IPv4")) return -ERRNO.EAFNOSUPPORT;
    return call(descriptor, wasi);
  }

  function receive(fd: number, maxBytes: number): Uint8Array | number {
    const descriptor = socketAt(fd);
    if (typeof descriptor === "number") return descriptor;
    if (!isLength(maxBytes)) return -ERRNO.EINVAL;
    if (descriptor.udp !== undefined) {
      const received = receiveUdp(descriptor);
      return typeof received === "number" ? received : cut(received.data, maxBytes);
    }
    if (descriptor.endsInput) return EMPTY;
    if (descriptor.stage === Stage.FAILED) return takeError(descriptor) || EMPTY;
    return readInput(descriptor, maxBytes);
  }

  function peekBytes(fd: number, maxBytes: number): Uint8Array | number {
    const descriptor = socketAt(fd);
    if (typeof descriptor === "number") return descriptor;
    if (!isLength(maxBytes)) return -ERRNO.EINVAL;
    if (descriptor.udp !== undefined) {
      const data = peekUdp(descriptor);
      return typeof data === "number" ? data : cut(data, maxBytes);
    }
    if (descriptor.endsInput) return EMPTY;
    if (descriptor.peeked === undefined) {
      const data = readInput(descriptor, Math.max(maxBytes, 1));
      if (typeof data === "number" || data.length === 0) return data;
      descriptor.peeked = data;
      descriptor.changed();
    }
    return typeof descriptor.peeked === "number" ? descriptor.peeked : cut(descriptor.peeked, maxBytes);
  }

  function send(fd: number, given: Uint8Array): number {
    const descriptor = socketAt(fd);
    if (typeof descriptor === "number") return descriptor;
    const data = plain(given);
    if (descriptor.udp !== undefined) return sendUdp(descriptor, data, undefined);
    if (descriptor.ends) return -ERRNO.EPIPE;
    if (descriptor.stage === Stage.FAILED) return takeError(descriptor) || -ERRNO.EPIPE;
    if (descriptor.stage < Stage.OPEN) return -ERRNO.ENOTCONN;
    return writeOutput(descriptor, data);
  }

  function receiveFrom(fd: number, maxBytes: number): ReturnType<SocketCalls["receiveFrom"]> {
    const descriptor = socketAt(fd);
    if (typeof descriptor === "number") return descriptor;
    if (!isLength(maxBytes)) return -ERRNO.EINVAL;
    if (descriptor.udp === undefined) {
      const data = receive(fd, maxBytes);
      if (typeof data === "number") return data;
      const address = addressOf(() => descriptor.tcp?.remoteAddress());
      return typeof address === "number" ? address : { data, address };
    }
    const received = receiveUdp(descriptor);
    return typeof received === "number" ? received : { ...received, data: cut(received.data, maxBytes) };
  }

  /** Copies into `target`, or passes -errno on. */
  function into(target: Uint8Array, data: Uint8Array | number): number {
    if (typeof data === "number") return data;
    copyTo(target, data);
    return data.length;
  }

  return {
    socket(family, type) {
      if (family === "unix") return -ERRNO.EAFNOSUPPORT;
      return type === "stream" ? openTcp(descriptors, family) : openUdp(descriptors, family);
    },
    socketPair: () => -ERRNO.EOPNOTSUPP,
    bind: (fd, address) =>
      withAddress(fd, address, (descriptor, wasi) =>
        descriptor.udp === undefined ? bindTcp(descriptor, wasi) : bindUdp(descriptor, wasi),
      ),
    listen(fd, backlog) {
      const descriptor = socketAt(fd);
      return typeof descriptor === "number" ? descriptor : listenTcp(descriptor, backlog);
    },
    accept(fd) {
      const descriptor = socketAt(fd);
      return typeof descriptor === "number" ? descriptor : acceptTcp(descriptors, descriptor);
    },
    connect: (fd, address) =>
      withAddress(fd, address, (descriptor, wasi) =>
        descriptor.udp === undefined ? connectTcp(descriptor, wasi) : connectUdp(descriptor, wasi),
      ),
    shutdown(fd, how) {
      const descriptor = socketAt(fd);
      if (typeof descriptor === "number") return descriptor;
      if (descriptor.tcp === undefined || descriptor.stage !== Stage.OPEN) return -ERRNO.ENOTCONN;
      if (how !== "read") {
        const ended = pending.endWhenSent(descriptor);
        if (ended < 0 || how === "write") return ended;
      }
      try {
        descriptor.endsInput = true;
        descriptor.tcp.shutdown("receive");
        return 0;
      } catch (thrown) {
        return errnoOf(thrown);
      }
    },

    recv: (fd, target, length) => into(target, receive(fd, roomOf(target, length))),
    peek: (fd, target, length) => into(target, peekBytes(fd, roomOf(target, length))),
    receive,
    recvFrom(fd, target, length) {
      const received = receiveFrom(fd, roomOf(target, length));
      if (typeof received === "number") return received;
      copyTo(target, received.data);
      return { length: received.data.length, address: received.address };
    },
    receiveFrom,
    recvOutOfBand: (fd) => either(socketAt(fd), -ERRNO.EOPNOTSUPP),

    send,
    sendVector(fd, pieces) {
      const descriptor = socketAt(fd);
      if (typeof descriptor === "number") return descriptor;
      if (descriptor.udp !== undefined) {
        const datagram = joined(pieces);
        return datagram.length > DATAGRAM_BYTES_MAX ? -ERRNO.EMSGSIZE : sendUdp(descriptor, datagram, undefined);
      }
      let sent = 0;
      for (const given of pieces.slice(0, PIECES_MAX)) {
        const piece = plain(given);
        if (piece.length === 0) continue;
        const count = send(fd, piece);
        if (count < 0) return sent > 0 ? sent : count;
        sent += count;
        if (count < piece.length) break;
      }
      return sent;
    },
    sendOutOfBand: (fd) => either(socketAt(fd), -ERRNO.EOPNOTSUPP),
    sendTo: (fd, data, address) =>
      withAddress(fd, address, (descriptor, wasi) =>
        descriptor.udp === undefined ? send(fd, data) : sendUdp(descriptor, plain(data), wasi),
      ),

    getOption(fd, option) {
      const descriptor = socketAt(fd);
      if (typeof descriptor === "number") return descriptor;
      return option === "SO_ERROR" ? Math.abs(takeError(descriptor)) : getOption(descriptor, option);
    },
    setOption(fd, option, value) {
      const descriptor = socketAt(fd);
      return typeof descriptor === "number" ? descriptor : setOption(descriptor, option, value);
    },
    getLinger(fd) {
      const descriptor = socketAt(fd);
      return typeof descriptor === "number" ? descriptor : getLinger(descriptor);
    },
    setLinger(fd, linger) {
      const descriptor = socketAt(fd);
      return typeof descriptor === "number" ? descriptor : setLinger(descriptor, linger);
    },
    socketType(fd) {
      const descriptor = socketAt(fd);
      return typeof descriptor === "number" ? descriptor : descriptor.udp === undefined ? "stream" : "dgram";
    },
    family(fd) {
      const descriptor = socketAt(fd);
      return typeof descriptor === "number" ? descriptor : descriptor.family;
    },
    localAddress(fd) {
      const descriptor = socketAt(fd);
      if (typeof descriptor === "number") return descriptor;
      // A host knows the address when it has connected.
      if (descriptor.stage === Stage.CONNECTING) advance(descriptor);
      // As getsockname(2) has it for one that is not bound.
      const { family, stage, tcp, udp } = descriptor;
      if (stage === Stage.NEW) return { host: family === "IPv4" ? "0.0.0.0" : "::", port: 0 };
      return addressOf(() => (tcp ?? udp)?.localAddress());
    },
    remoteAddress(fd) {
      const descriptor = socketAt(fd);
      if (typeof descriptor === "number") return descriptor;
      const { stage, tcp, udp } = descriptor;
      if (stage !== Stage.OPEN) return -ERRNO.ENOTCONN;
      const address = addressOf(() => (tcp ?? udp)?.remoteAddress());
      return typeof address === "number" ? -ERRNO.ENOTCONN : address;
    },
  };
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + lengthOf(piece), 0));
  let at = 0;
  for (const piece of pieces) {
    copyTo(whole, piece, at);
    at += lengthOf(piece);
  }
  return whole;
}

function addressOf(read: () => IpSocketAddress | undefined): SocketAddress | number {
  try {
    const address = read();
    return address === undefined ? -ERRNO.ENOTCONN : fromWasi(address);
  } catch (thrown) {
    return errnoOf(thrown);
  }
}

function either(descriptor: Descriptor | number, otherwise: number): number {
  return typeof descriptor === "number" ? descriptor : otherwise;
}

/** -errno, once. */
function takeError(descriptor: Descriptor): number {
  const { error } = descriptor;
  descriptor.error = 0;
  return error;
}

function cut(data: Uint8Array, maxBytes: number): Uint8Array {
  return data.length <= maxBytes ? data : data.subarray(0, maxBytes);
}
