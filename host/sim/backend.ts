/**
 * Owns the calls of the seam for one simulated host: checks what they are given, and finds the file that they are about.
 * Knows every kind of file; knows no loop.
 */

import type { Backend, Clock, InetAddress, IntegerOption, SocketAddress } from "../backend/backend.js";
import { copyTo } from "../backend/bytes.js";
import { OSError } from "../backend/errors.js";
import { createAncillaryCalls } from "./ancillary.js";
import { isLength, lengthOf, roomOf } from "./bytes.js";
import type { Descriptors } from "./descriptors.js";
import { E, type SimFile } from "./file.js";
import { type FileTree, OpenDirectory, OpenFile } from "./files.js";
import { type Names, numericKind } from "./names.js";
import { makePipe, ReadEnd, WriteEnd } from "./pipes.js";
import { SimPollSet, type Waiting } from "./poll-set.js";
import type { SimSocket } from "./socket.js";
import type { Surroundings } from "./surroundings.js";
import { TcpSocket } from "./tcp.js";
import { Trace } from "./trace.js";
import { UdpSocket } from "./udp.js";
import { UnixDatagram } from "./unix-datagram.js";
import { UnixStream } from "./unix.js";

/** Linux's, as getsockopt(2) gives them. */
const SEND_BYTES = 262_144;
const RECEIVE_BYTES = 131_072;
const UNIX_BYTES = 212_992;
const PIPE_BYTES = 65_536;
const SEND_BYTES_MIN = 4608;
const RECEIVE_BYTES_MIN = 2304;
const BUFFER_BYTES_MAX = 8_388_608;

/** What the backend of a host is made of. */
export interface Parts {
  readonly around: Surroundings;
  readonly descriptors: Descriptors;
  readonly tree: FileTree;
  readonly names: Names;
  readonly waiting: Waiting;
  readonly clock: Clock;
  /** Calls back in so many milliseconds of the world's time. */
  later(delayMs: number, call: () => void): void;
  readonly pid: number;
}

const CODES = new Map(Object.entries(E).map(([code, errno]) => [errno, code]));

function errorCode(errno: number): string {
  // Linux has two names for one number.
  if (errno === -E.EAGAIN) return "EAGAIN";
  return CODES.get(-errno) ?? `E${-errno}`;
}

export function createBackend(parts: Parts): Backend {
  const { around, descriptors, tree, names, waiting, clock } = parts;
  const { faults, trace } = around;
  const smallBytes = faults.setting("small-buffers") === undefined ? 0 : (faults.setting("small-buffers")?.bytes ?? 1);

  /** The socket, or -errno. */
  function socketOf(fd: number): SimSocket | number {
    const file = descriptors.of(fd);
    if (file === undefined) return -E.EBADF;
    return file.isSocket ? (file as unknown as SimSocket) : -E.ENOTSOCK;
  }

  function make(family: "IPv4" | "IPv6" | "unix", type: "stream" | "dgram"): SimSocket {
    const [send, receive] = [smallBytes || SEND_BYTES, smallBytes || RECEIVE_BYTES];
    const unix = smallBytes || UNIX_BYTES;
    if (type === "stream") {
      return family === "unix" ? new UnixStream(around, tree, unix) : new TcpSocket(around, family, send, receive);
    }
    // A datagram is not cut by a small buffer.
    if (family === "unix") return new UnixDatagram(around, tree, UNIX_BYTES);
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
    descriptorsDropped(found.files);
    return { data: found.data, address: found.address };
  }

  function descriptorsDropped(files: readonly SimFile[]): void {
    for (const file of files) {
      file.references -= 1;
      if (file.references === 0) file.release();
    }
  }

  function write(fd: number, data: Uint8Array): number {
    const file = descriptors.of(fd);
    if (file === undefined) return -E.EBADF;
    if (file.isSocket) return (file as unknown as SimSocket).send(data);
    return file instanceof WriteEnd || file instanceof OpenFile ? file.write(data) : -E.EBADF;
  }

  function answer<T>(result: T | OSError): T {
    if (result instanceof OSError) throw result;
    return result;
  }

  return {
    name: "simulated",
    clock,
    errorCode,
    ...createAncillaryCalls(descriptors, socketOf, getOption, setOption, parts.pid),

    createPollSet() {
      const set = new SimPollSet(waiting);
      descriptors.sets.add(set);
      return set;
    },

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

    openBeneath(directory, path, flags) {
      const file = descriptors.of(directory);
      if (file === undefined) return -E.EBADF;
      if (!(file instanceof OpenDirectory)) return -E.ENOTDIR;
      const refused = descriptors.refusal();
      if (refused < 0) return refused;
      const opened = tree.open(file.node, path, flags);
      return typeof opened === "number" ? opened : descriptors.add(opened);
    },
    read(fd, target, length) {
      const file = descriptors.of(fd);
      if (file === undefined) return -E.EBADF;
      const room = roomOf(target, length);
      if (room < 0) return -E.EINVAL;
      if (file.isSocket) return (file as unknown as SimSocket).receive(target, room);
      if (file instanceof OpenDirectory) return -E.EISDIR;
      return file instanceof ReadEnd || file instanceof OpenFile ? file.read(target, room) : -E.EBADF;
    },
    readBytes(fd, most) {
      const file = descriptors.of(fd);
      if (file === undefined) return -E.EBADF;
      if (!isLength(most)) return -E.EINVAL;
      if (file.isSocket) return (file as unknown as SimSocket).takeBytes(most);
      if (file instanceof OpenDirectory) return -E.EISDIR;
      return file instanceof ReadEnd || file instanceof OpenFile ? file.take(most) : -E.EBADF;
    },
    write: (fd, data) => write(fd, data),
    pipe() {
      const refused = descriptors.refusal(2);
      if (refused < 0) return refused;
      const [reader, writer] = makePipe(smallBytes || PIPE_BYTES, faults, around.address);
      return [descriptors.add(reader), descriptors.add(writer)];
    },
    duplicate(fd) {
      const file = descriptors.of(fd);
      if (file === undefined) return -E.EBADF;
      const refused = descriptors.refusal();
      return refused < 0 ? refused : descriptors.add(file);
    },
    setNonBlocking(fd, on) {
      const file = descriptors.of(fd);
      if (file === undefined) return -E.EBADF;
      file.isNonBlocking = on;
      return 0;
    },
    setCloseOnExec: (fd) => (descriptors.of(fd) === undefined ? -E.EBADF : 0),
    adopt: (fd) => (descriptors.of(fd) === undefined ? -E.EBADF : 0),
    release: (fd) => (descriptors.of(fd) === undefined ? -E.EBADF : 0),
    close: (fd) => descriptors.close(fd),

    isNumeric: numericKind,
    lookupSync(host, family) {
      const { result, delayMs } = names.ask(host, family, around.address);
      if (delayMs > 0) waiting.block(delayMs, () => false);
      trace.add(Trace.NAME, around.nowNs, around.index, host.length);
      return answer(result);
    },
    lookup(host, family) {
      const { result, delayMs } = names.ask(host, family, around.address);
      return new Promise((resolve, reject) => {
        const settle = (): void => {
          trace.add(Trace.NAME, around.nowNs, around.index, host.length);
          if (result instanceof OSError) reject(result);
          else resolve(result);
        };
        if (delayMs === 0) settle();
        else parts.later(delayMs, settle);
      });
    },
  };
}

/** Where a connection is from that was reset before it was accepted. */
function lostAddress(socket: TcpSocket): InetAddress {
  const { remote } = socket;
  return remote === undefined ? { host: "0.0.0.0", port: 0 } : { host: remote.ip.text, port: remote.port };
}
