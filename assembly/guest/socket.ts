/** Owns sockets: the calls on them, and what is known of each. Knows the host's calls; knows no channel. */

import { State } from "../engine/channels";
import { ERRNO_ALREADY, ERRNO_INPROGRESS, ERRNO_INVAL, ERRNO_ISCONN, ERRNO_NOTSOCK, ERRNO_NOTSUP } from "../wasi/errno";
import { FileType } from "../wasi/preview1";
import { AddressFamily, SocketKind } from "../wasi/socket-extension";
import {
  acceptConnection,
  bindSocket,
  connectSocket,
  descriptorType,
  listenSocket,
  openSocket,
  receive,
  setNonBlocking,
  shutdownSocket,
  transmit,
} from "../wasi/system";
import { NO_ADDRESS, SocketAddress, hostBytes, parseHost } from "./addresses";
import { ascii } from "./ascii";
import { Endpoint } from "./endpoint";
import { OSError, raise, raiseErrno } from "./errors";

/** Of a call that the host does not have, says what there is instead. */
function noCall(): string {
  return ascii(
    "the host of this program has no such call; listening sockets come from outside, see takeListener. Hosts with the socket extension take programs built with --profile preview1+sockets",
  );
}

/** What a socket is made as. */
export class SocketOptions {
  /** "IPv4" or "IPv6". */
  family: string = "IPv4";
  /** "stream" or "dgram". */
  type: string = "stream";
}

/** A non-blocking socket. Each method is the call of the same name in socket(7). */
export class Socket extends Endpoint {
  readonly family: string;
  readonly type: string;
  /** What LISTEN_FDNAMES calls it; "" where it has no name. */
  name: string = "";
  /** Whom it is connected to, or where it listens, as far as that is known. */
  address: SocketAddress = NO_ADDRESS;
  /** What the loop is to take it for: idle, open or accepting. */
  state: u8;
  private streams: bool;

  /** Wraps a descriptor, which the socket owns from then on. See {@link create} and {@link fromDescriptor}. */
  constructor(fd: i32, family: string, type: string, state: u8) {
    super(fd);
    this.family = family;
    this.type = type;
    this.state = state;
    this.streams = type == "stream";
  }

  /** Makes a socket. Where that fails, it is closed from the beginning. socket(2). */
  static create(options: SocketOptions = new SocketOptions()): Socket {
    const isStream = options.type == "stream";
    const isIPv6 = options.family == "IPv6";
    let fd = -ERRNO_INVAL;
    if ((isStream || options.type == "dgram") && (isIPv6 || options.family == "IPv4")) {
      fd = openSocket(isIPv6 ? AddressFamily.INET6 : AddressFamily.INET4, isStream ? SocketKind.STREAM : SocketKind.DGRAM);
    }
    if (fd < 0) refuse(-fd, "socket");
    return new Socket(max(fd, -1), options.family, options.type, isStream ? State.IDLE : State.OPEN);
  }

  /**
   * Takes over a descriptor that the host passed in, and makes it non-blocking. WASI tells a listener from a connection
   * only by what one does with it: it is taken for a listener unless `connected`.
   */
  static fromDescriptor(fd: i32, connected: bool = false): Socket {
    const type = descriptorType(fd);
    const isStream = type != FileType.SOCKET_DGRAM;
    if (type < 0) raiseErrno(-type, "fd_fdstat_get");
    else if (isStream && type != FileType.SOCKET_STREAM) raiseErrno(ERRNO_NOTSOCK, "fd_fdstat_get");
    else setNonBlocking(fd);
    return new Socket(fd, "IPv4", isStream ? "stream" : "dgram", isStream && !connected ? State.ACCEPTING : State.OPEN);
  }

  override get isStream(): bool {
    return this.streams;
  }

  /** Takes one waiting connection; null when there is none. */
  accept(): Socket | null {
    const fd = this.acceptDescriptor();
    if (fd >= 0) return this.accepted(fd);
    raiseErrno(-fd, "accept");
    return null;
  }

  /** Binds to a numeric address; host "" is every address of the machine. */
  bind(address: SocketAddress): void {
    const length = this.parse(address, "bind");
    if (length == 0) return;
    const result = bindSocket(this.fd, hostBytes, length, address.port);
    if (result < 0) refuse(-result, "bind");
    else this.address = address;
  }

  /** Listens; `backlog` connections may wait to be accepted. */
  listen(backlog: i32): void {
    const result = listenSocket(this.fd, backlog);
    if (result < 0) refuse(-result, "listen");
    else this.state = State.ACCEPTING;
  }

  /** Begins to connect to a numeric address. @returns whether that is done already. */
  connect(address: SocketAddress): bool {
    const length = this.parse(address, "connect");
    if (length == 0) return false;
    const result = connectSocket(this.fd, hostBytes, length, address.port);
    this.address = address;
    if (result >= 0 || result == -ERRNO_ISCONN) return true;
    if (result != -ERRNO_INPROGRESS && result != -ERRNO_ALREADY) refuse(-result, "connect");
    return false;
  }

  /** Ends one half of a connection, or both: "read", "write", "both". */
  shutdown(how: string): void {
    const halves = how == "read" ? 1 : how == "write" ? 2 : how == "both" ? 3 : 0;
    const result = halves == 0 ? -ERRNO_INVAL : shutdownSocket(this.fd, halves);
    if (result < 0) raiseErrno(-result, "shutdown");
  }

  /** Takes one waiting connection. @returns its descriptor, or -errno. */
  acceptDescriptor(): i32 {
    return acceptConnection(this.fd);
  }

  /** The socket of a connection that was taken. */
  accepted(fd: i32): Socket {
    return new Socket(fd, this.family, this.type, State.OPEN);
  }

  protected override readInto(at: usize, length: i32): i32 {
    return receive(this.fd, at, length);
  }

  protected override writeFrom(at: usize, length: i32): i32 {
    return transmit(this.fd, at, length);
  }

  private parse(address: SocketAddress, syscall: string): i32 {
    const length = parseHost(address.host, this.family == "IPv6");
    if (length == 0) {
      raise(new OSError(ERRNO_INVAL, syscall, address.host + " is no numeric address, and the host looks up no names"));
    }
    return length;
  }
}

/** Notes that a call has failed; of one that the host does not have, says what there is instead. */
function refuse(errno: i32, syscall: string): void {
  raiseErrno(errno, syscall, errno == ERRNO_NOTSUP ? noCall() : "");
}
