/** Owns sockets: the calls on them, and what is known of each. Knows the host's calls; knows no channel. */

import { State } from "../engine/channels";
import {
  ERRNO_ALREADY,
  ERRNO_INPROGRESS,
  ERRNO_INVAL,
  ERRNO_ISCONN,
  ERRNO_NOTSOCK,
  ERRNO_NOTSUP,
} from "../shared/errno";
import { toldHost, toldLength, toldPort } from "../wasi/address";
import { Filetype } from "../wasi/preview1";
import { PROFILE, Profile } from "../wasi/profile";
import { AddressFamily, SocketKind } from "../wasi/socket-extension";
import {
  acceptConnection,
  addressOf,
  allowReuse,
  bindSocket,
  connectSocket,
  connectToName,
  descriptorType,
  listenSocket,
  openSocket,
  receive,
  sendDatagram,
  setNonBlocking,
  shutdownSocket,
  transmit,
} from "../wasi/system";
import { NO_ADDRESS, SocketAddress, hostBytes, parseHost } from "./addresses";
import { addressText } from "./address-text";
import { ascii } from "./ascii";
import { Endpoint } from "./endpoint";
import { OSError, raise, raiseErrno } from "./errors";

/** For a call that the host does not have, names the alternative. */
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

/** A datagram, and who sent it. */
export class Datagram {
  data: Uint8Array;
  address: SocketAddress;

  constructor(data: Uint8Array, address: SocketAddress) {
    this.data = data;
    this.address = address;
  }
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

  /** Wraps a descriptor, which the socket owns from then on. See {@link create} and {@link fromDescriptor}. */
  constructor(fd: i32, family: string, type: string, state: u8) {
    super(fd, type == "stream");
    this.family = family;
    this.type = type;
    this.state = state;
  }

  /** Makes a socket. Where that fails, it is closed from the beginning. socket(2). */
  static create(options: SocketOptions = new SocketOptions()): Socket {
    const isStream = options.type == "stream";
    const isIPv6 = options.family == "IPv6";
    let fd = -ERRNO_INVAL;
    if ((isStream || options.type == "dgram") && (isIPv6 || options.family == "IPv4")) {
      fd = openSocket(
        isIPv6 ? AddressFamily.INET6 : AddressFamily.INET4,
        isStream ? SocketKind.STREAM : SocketKind.DGRAM,
      );
    }
    if (fd < 0) refuse(-fd, "socket");
    return new Socket(max(fd, -1), options.family, options.type, isStream ? State.IDLE : State.OPEN);
  }

  /**
   * Takes over a descriptor that the host passed in, and makes it non-blocking. WASI does not distinguish a listener from
   * a connection until it is used: it is taken for a listener unless `connected`.
   */
  static fromDescriptor(fd: i32, connected: bool = false): Socket {
    const type = descriptorType(fd);
    const isStream = type != Filetype.SOCKET_DGRAM;
    const isSocket = type == Filetype.SOCKET_STREAM || !isStream;
    if (isSocket) setNonBlocking(fd);
    else raiseErrno(type < 0 ? -type : ERRNO_NOTSOCK, ascii("fd_fdstat_get"));
    return new Socket(fd, "IPv4", isStream ? "stream" : "dgram", isStream && !connected ? State.ACCEPTING : State.OPEN);
  }

  /** Takes one waiting connection; null when there is none. */
  accept(): Socket | null {
    const fd = this.acceptDescriptor();
    if (fd >= 0) return this.accepted(fd);
    raiseErrno(-fd, ascii("accept"));
    return null;
  }

  /** Lets {@link bind} take an address whose last connections are not forgotten yet, where the host has a call for it. */
  allowReuse(): void {
    allowReuse(this.fd);
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

  /** Begins to connect to an address; a component looks up names. @returns whether that is done already. */
  connect(address: SocketAddress): bool {
    const result = this.beginConnect(address);
    this.address = address;
    if (result >= 0 || result == -ERRNO_ISCONN) return true;
    if (result != -ERRNO_INPROGRESS && result != -ERRNO_ALREADY) refuse(-result, "connect");
    return false;
  }

  /** Closes the descriptor; safe to call again. Shuts the connection down first: wazero's fd_close leaves it open. */
  override close(): void {
    if (PROFILE != Profile.COMPONENT && this.state == State.OPEN && this.fd >= 0) shutdownSocket(this.fd, 2);
    super.close();
  }

  /** Ends one half of a connection, or both: "read", "write", "both". */
  shutdown(how: string): void {
    const halves = how == "read" ? 1 : how == "write" ? 2 : how == "both" ? 3 : 0;
    const result = halves == 0 ? -ERRNO_INVAL : shutdownSocket(this.fd, halves);
    if (result < 0) raiseErrno(-result, ascii("shutdown"));
  }

  /** Receives one datagram, and where it came from; what is longer than `maxBytes` is cut. Components alone. */
  recvFrom(maxBytes: i32): Datagram {
    const data = this.recv(maxBytes);
    return new Datagram(data, hostAddress());
  }

  /** Sends one datagram to a numeric address. Components alone. @returns its length, 0 when it would have to wait */
  sendTo(data: Uint8Array, address: SocketAddress): i32 {
    const length = this.parse(address, "sendto");
    if (length == 0) return 0;
    const result = sendDatagram(this.fd, data.dataStart, data.length, hostBytes, length, address.port);
    if (result < 0) refuse(-result, "sendto");
    return max(0, result);
  }

  /** Where the socket is bound. Components alone. */
  localAddress(): SocketAddress {
    return this.addressOf(false, "getsockname");
  }

  /** Whom it is connected to. Components alone. */
  remoteAddress(): SocketAddress {
    return this.addressOf(true, "getpeername");
  }

  /** Takes one waiting connection. @returns its descriptor, or -errno. */
  acceptDescriptor(): i32 {
    return acceptConnection(this.fd);
  }

  /** The socket of a connection that was taken. */
  accepted(fd: i32): Socket {
    const socket = new Socket(fd, this.family, this.type, State.OPEN);
    // A connection that is over already has no address any more: reading it reports the end.
    if (PROFILE == Profile.COMPONENT && addressOf(fd, true) == 0) socket.address = hostAddress();
    return socket;
  }

  protected override readInto(at: usize, length: i32): i32 {
    return receive(this.fd, at, length);
  }

  protected override writeFrom(at: usize, length: i32): i32 {
    return transmit(this.fd, at, length);
  }

  /** @returns 0, or -errno */
  private beginConnect(address: SocketAddress): i32 {
    if (PROFILE == Profile.COMPONENT && this.isStream && parseHost(address.host, this.family == "IPv6") == 0) {
      const name = String.UTF8.encode(address.host);
      return connectToName(this.fd, changetype<usize>(name), name.byteLength, address.port);
    }
    const length = this.parse(address, "connect");
    return length == 0 ? -ERRNO_INVAL : connectSocket(this.fd, hostBytes, length, address.port);
  }

  private addressOf(isPeer: bool, syscall: string): SocketAddress {
    const result = addressOf(this.fd, isPeer);
    if (result == 0) return hostAddress();
    refuse(-result, syscall);
    return NO_ADDRESS;
  }

  private parse(address: SocketAddress, syscall: string): i32 {
    const length = parseHost(address.host, this.family == "IPv6");
    if (length == 0) {
      raise(new OSError(ERRNO_INVAL, syscall, address.host + " is no numeric address, and the host looks up no names"));
    }
    return length;
  }
}

function hostAddress(): SocketAddress {
  const address = new SocketAddress();
  address.host = addressText(toldHost, toldLength);
  address.port = toldPort;
  return address;
}

/** Notes that a call has failed; for one that the host does not have, names the alternative. */
function refuse(errno: i32, syscall: string): void {
  raiseErrno(errno, syscall, errno == ERRNO_NOTSUP ? noCall() : "");
}
