/**
 * Owns the calls of the seam on sockets for one simulated host: makes sockets, checks what the calls are given, and finds
 * the socket that they are about. Knows every kind of socket; knows no loop.
 */

import type {
  AncillaryCalls,
  Family,
  InetAddress,
  IntegerOption,
  SocketAddress,
  SocketCalls,
  SocketType,
} from "../backend/backend.js";
import { copyTo, isLength, lengthOf, roomOf } from "../backend/bytes.js";
import { createAncillaryCalls } from "./ancillary.js";
import type { Descriptors } from "./descriptors.js";
import { E } from "./file.js";
import type { SimSocket } from "./socket.js";
import type { Surroundings } from "./surroundings.js";
import { TcpSocket } from "./tcp.js";
import { UdpSocket } from "./udp.js";
import { UnixDatagram } from "./unix-datagram.js";
import type { UnixNames } from "./unix-names.js";
import { dropAll, UnixStream } from "./unix.js";

/** Linux's, as getsockopt(2) gives them. */
const SEND_BYTES = 262_144;
const RECEIVE_BYTES = 131_072;
const UNIX_BYTES = 212_992;
const SEND_BYTES_MIN = 4608;
const RECEIVE_BYTES_MIN = 2304;
const BUFFER_BYTES_MAX = 8_388_608;

/** @param smallBytes how large each buffer is instead of what is usual; 0: as usual */
export function createSocketCalls(
  descriptors: Descriptors,
  around: Surroundings,
  names: UnixNames,
  smallBytes: number,
  pid: number,
): SocketCalls & AncillaryCalls {
  /** The socket, or -errno. */
  function socketOf(fd: number): SimSocket | number {
    const file = descriptors.of(fd);
    if (file === undefined) return -E.EBADF;
    return file.isSocket ? (file as unknown as SimSocket) : -E.ENOTSOCK;
  }

  function make(family: Family, type: SocketType): SimSocket {
    const [send, receive] = [smallBytes || SEND_BYTES, smallBytes || RECEIVE_BYTES];
    const unix = smallBytes || UNIX_BYTES;
    if (type === "stream") {
      return family === "unix" ? new UnixStream(around, names, unix) : new TcpSocket(around, family, send, receive);
    }
    // A datagram is not cut by a small buffer.
    if (family === "unix") return new UnixDatagram(around, names, UNIX_BYTES);
    return new UdpSocket(around, family, UNIX_BYTES, UNIX_BYTES);
  }

  function setBuffer(socket: SimSocket, option: IntegerOption, value: number): void {
    const isSend = option === "SO_SNDBUF";
    const bytes = Math.min(Math.max(2 * value, isSend ? SEND_BYTES_MIN : RECEIVE_BYTES_MIN), BUFFER_BYTES_MAX);
    socket.options.set(option, bytes);
    if (smallBytes > 0) return;
    if (isSend) socket.sendBytes = bytes;
    else socket.receiveBytes = bytes;
  }

  function getOption(socket: SimSocket, option: IntegerOption): number {
    if (option === "SO_ERROR") return -socket.takeError() || 0;
    if (option === "SO_ACCEPTCONN") return Number(socket.isListening);
    if (option === "SO_SNDBUF") return socket.options.get(option) || socket.sendBytes;
    if (option === "SO_RCVBUF") return socket.options.get(option) || socket.receiveBytes;
    return socket.options.get(option);
  }

  function setOption(socket: SimSocket, option: IntegerOption, value: number): number {
    if (option === "SO_SNDBUF" || option === "SO_RCVBUF") {
      setBuffer(socket, option, value);
      return 0;
    }
    const isBound = socket instanceof TcpSocket || socket instanceof UdpSocket ? socket.isBound : false;
    if (option === "IPV6_V6ONLY" && socket.family === "IPv6" && isBound) return -E.EINVAL;
    const failed = socket.options.set(option, value);
    if (failed < 0) return failed;
    if (option === "SO_RCVLOWAT") socket.lowWater = Math.max(1, value);
    if (option === "SO_OOBINLINE") socket.isInline = value !== 0;
    socket.changed();
    return 0;
  }

  function receiveFrom(fd: number, most: number): { data: Uint8Array; address: SocketAddress } | number {
    const socket = socketOf(fd);
    if (typeof socket === "number") return socket;
    const found = socket.receiveMessage(most);
    if (typeof found === "number") return found;
    dropAll(found.files);
    return { data: found.data, address: found.address };
  }

  return {
    ...createAncillaryCalls(descriptors, socketOf, getOption, setOption, pid),

    socket(family, type) {
      const refused = descriptors.refusal();
      return refused < 0 ? refused : descriptors.add(make(family, type));
    },
    socketPair(type) {
      const refused = descriptors.refusal(2);
      if (refused < 0) return refused;
      const [one, other] = [make("unix", type), make("unix", type)];
      if (one instanceof UnixStream && other instanceof UnixStream) one.pair(other);
      if (one instanceof UnixDatagram && other instanceof UnixDatagram) one.pair(other);
      return [descriptors.add(one), descriptors.add(other)];
    },
    bind(fd, address) {
      const socket = socketOf(fd);
      return typeof socket === "number" ? socket : socket.bind(address);
    },
    listen(fd, backlog) {
      const socket = socketOf(fd);
      return typeof socket === "number" ? socket : socket.listen(backlog);
    },
    accept(fd) {
      const listener = socketOf(fd);
      if (typeof listener === "number") return listener;
      const socket = listener.accept();
      if (typeof socket === "number") return socket;
      const refused = descriptors.refusal();
      if (refused < 0) {
        listener.unaccept(socket);
        return refused;
      }
      const address = socket.remoteAddress ?? (socket instanceof TcpSocket ? lostAddress(socket) : { path: "" });
      return { fd: descriptors.add(socket), address };
    },
    connect(fd, address) {
      const socket = socketOf(fd);
      return typeof socket === "number" ? socket : socket.connect(address);
    },
    shutdown(fd, how) {
      const socket = socketOf(fd);
      return typeof socket === "number" ? socket : socket.shutdown(how);
    },

    recv(fd, target, length) {
      const socket = socketOf(fd);
      if (typeof socket === "number") return socket;
      const room = roomOf(target, length);
      return room < 0 ? -E.EINVAL : socket.receive(target, room);
    },
    peek(fd, target, length) {
      const socket = socketOf(fd);
      if (typeof socket === "number") return socket;
      const room = roomOf(target, length);
      return room < 0 ? -E.EINVAL : socket.peek(target, room);
    },
    receive(fd, most) {
      const socket = socketOf(fd);
      if (typeof socket === "number") return socket;
      return isLength(most) ? socket.takeBytes(most) : -E.EINVAL;
    },
    recvFrom(fd, target, length) {
      const room = roomOf(target, length);
      if (room < 0) return descriptors.of(fd) === undefined ? -E.EBADF : -E.EINVAL;
      const found = receiveFrom(fd, room);
      if (typeof found === "number") return found;
      copyTo(target, found.data);
      return { length: found.data.length, address: found.address };
    },
    receiveFrom(fd, most) {
      if (!isLength(most)) return descriptors.of(fd) === undefined ? -E.EBADF : -E.EINVAL;
      return receiveFrom(fd, most);
    },
    recvOutOfBand(fd, target) {
      const socket = socketOf(fd);
      return typeof socket === "number" ? socket : socket.receiveUrgent(target, lengthOf(target));
    },
    send(fd, data) {
      const socket = socketOf(fd);
      return typeof socket === "number" ? socket : socket.send(data);
    },
    sendVector(fd, pieces) {
      const socket = socketOf(fd);
      return typeof socket === "number" ? socket : socket.sendPieces(pieces);
    },
    sendOutOfBand(fd, data) {
      const socket = socketOf(fd);
      return typeof socket === "number" ? socket : socket.sendUrgent(data);
    },
    sendTo(fd, data, address) {
      const socket = socketOf(fd);
      return typeof socket === "number" ? socket : socket.sendTo(data, address);
    },

    getOption(fd, option) {
      const socket = socketOf(fd);
      return typeof socket === "number" ? socket : getOption(socket, option);
    },
    setOption(fd, option, value) {
      const socket = socketOf(fd);
      return typeof socket === "number" ? socket : setOption(socket, option, value);
    },
    getLinger(fd) {
      const socket = socketOf(fd);
      return typeof socket === "number" ? socket : socket.options.linger;
    },
    setLinger(fd, { on, seconds }) {
      const socket = socketOf(fd);
      if (typeof socket === "number") return socket;
      socket.options.linger = on ? { on, seconds } : { on: false, seconds: 0 };
      return 0;
    },
    socketType(fd) {
      const socket = socketOf(fd);
      return typeof socket === "number" ? socket : socket.type;
    },
    family(fd) {
      const socket = socketOf(fd);
      return typeof socket === "number" ? socket : socket.family;
    },
    localAddress(fd) {
      const socket = socketOf(fd);
      return typeof socket === "number" ? socket : socket.localAddress;
    },
    remoteAddress(fd) {
      const socket = socketOf(fd);
      return typeof socket === "number" ? socket : (socket.remoteAddress ?? -E.ENOTCONN);
    },
  };
}

/** Where a connection is from that was reset before it was accepted. */
function lostAddress(socket: TcpSocket): InetAddress {
  const { remote } = socket;
  return remote === undefined ? { host: "0.0.0.0", port: 0 } : { host: remote.ip.text, port: remote.port };
}
