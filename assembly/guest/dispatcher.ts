/**
 * Owns `Dispatcher`, asyncore's `dispatcher`: a channel with the callbacks that users override. Knows endpoints, and of
 * the loop only the registry; the engine decides which callback is due. Names, meanings and order of events are those of
 * the TypeScript class; docs/portable.md lists what differs.
 */

import { State, Ready } from "../engine/channels";
import {
  channelEndInput,
  channelPause,
  channelSetInterest,
  channelSetState,
  channelTakeError,
} from "../engine/membership";
import { ERRNO_AGAIN, ERRNO_BADF, ERRNO_CONNABORTED, ERRNO_CONNRESET, ERRNO_IO, ERRNO_SUCCESS } from "../wasi/errno";
import { ascii } from "./ascii";
import { errorCode } from "./error-codes";
import { SocketAddress } from "./addresses";
import { Channel } from "./channel";
import { ChannelMap, socketMap } from "./channel-map";
import { Endpoint, NO_BYTES, lastErrno } from "./endpoint";
import { OSError, hasError, isDisconnect, isOutOfDescriptors, raiseErrno } from "./errors";
import { decimal, print, printError } from "./messages";
import { addChannel, removeChannel } from "./registry";
import { Socket, SocketOptions } from "./socket";

/** Is this kind of message in the set? No set is asked before a program has one: then it is "warning" alone. */
let isIn: (types: Set<string>, type: string) => bool = isInNone;

function isInNone(_types: Set<string>, _type: string): bool {
  return false;
}

function isInSet(types: Set<string>, type: string): bool {
  return types.has(type);
}

/** A socket and its callbacks. Subclass it, override `handleRead` and its companions, and run `loop`. */
export class Dispatcher extends Channel {
  /** For subclasses to look at. asyncore: debug. */
  debug: bool = false;
  /** Is there a connection? Set by this class. */
  connected: bool = false;
  /** Is a connection being made? Set by this class. */
  connecting: bool = false;
  /** Is it listening? Set by this class. */
  accepting: bool = false;
  /** For subclasses; this class does not look at it. asyncore: closing. */
  closing: bool = false;
  /** The address given to `bind` or `connect`, or the peer's where the host tells it. */
  addr: SocketAddress | null = null;

  private ignored: Set<string> | null = null;
  private endpoint: Endpoint | null = null;
  private interest: i32 = Ready.READ;
  private state: u8 = State.IDLE;
  /** Would anybody hear that it can write? */
  private hearsWrite: bool = false;
  /** Has handleEof been called for this endpoint, and handleClose? */
  private eofTold: bool = false;
  private closeTold: bool = false;
  /** Did the default handleAccept take a connection just now? */
  private mayHaveMore: bool = false;

  /** @param socket a connected or listening socket to take over */
  constructor(socket: Socket | null = null) {
    super();
    if (socket !== null) this.setSocket(socket);
  }

  /** Kinds of message that {@link logInfo} leaves out: "warning", unless it is set. */
  get ignoreLogTypes(): Set<string> {
    let types = this.ignored;
    if (types === null) {
      types = new Set<string>();
      types.add("warning");
      this.ignoreLogTypes = types;
    }
    return types;
  }

  set ignoreLogTypes(types: Set<string>) {
    isIn = isInSet;
    this.ignored = types;
  }

  /** The socket. Where there is none: EBADF, and a closed one. */
  get socket(): Socket {
    const endpoint = this.endpoint;
    if (endpoint !== null && endpoint instanceof Socket) return endpoint as Socket;
    raiseErrno(ERRNO_BADF, "socket");
    return new Socket(-1, "", "", State.IDLE);
  }

  /** The descriptor; -1 where there is none. */
  override get fd(): i32 {
    const endpoint = this.endpoint;
    return endpoint === null ? -1 : endpoint.fd;
  }

  /** The map that the channel belongs to: a guest has one. */
  get map(): ChannelMap {
    return socketMap;
  }

  /** Makes a socket and takes it over. ENOTSUP where the host has no call for it. */
  createSocket(options: SocketOptions = new SocketOptions()): void {
    const socket = Socket.create(options);
    if (!socket.closed) this.setSocket(socket);
  }

  /** Takes a socket over, whatever it is already, and comes into the map. asyncore: set_socket. */
  setSocket(socket: Socket): void {
    this.connecting = false;
    this.state = socket.state;
    this.accepting = socket.state == State.ACCEPTING;
    this.connected = socket.state == State.OPEN && socket.isStream;
    if (this.connected || this.accepting) this.addr = socket.address;
    this.setEndpoint(socket);
  }

  /** Allows the address to be bound again at once; where that cannot be had, as here, does nothing. */
  setReuseAddr(): void {}

  /** Comes into the map. asyncore: add_channel. */
  addChannel(): void {
    const endpoint = this.endpoint;
    if (endpoint === null || endpoint.closed) {
      raiseErrno(ERRNO_BADF, ascii("poll_oneoff"));
      return;
    }
    this.hearsWrite = this.managesWriting || this.overridesHandleWrite;
    removeChannel(this);
    addChannel(this, this.state, this.interest, this.overridesInterest, endpoint.isStream);
  }

  /** Leaves the map; the socket stays open. asyncore: del_channel. */
  delChannel(): void {
    removeChannel(this);
  }

  // What a subclass that overrides them is asked every turn.

  /** Is it to be told when there is something to read? As it is: yes. */
  readable(): bool {
    return (this.interest & Ready.READ) != 0;
  }

  /** Is it to be told when it can write? As it is, where `handleWrite` is overridden. */
  writable(): bool {
    return (this.interest & Ready.WRITE) != 0;
  }

  // What a program asks of the channel.

  /** Listens; `backlog` connections may wait to be accepted. */
  listen(backlog: i32): void {
    this.socket.listen(backlog);
    if (hasError()) return;
    this.accepting = true;
    this.setState(State.ACCEPTING);
  }

  /** Binds to an address. */
  bind(address: SocketAddress): void {
    this.socket.bind(address);
    if (!hasError()) this.addr = address;
  }

  /** Connects to a numeric address. The end of it is told: `handleConnect`, or `handleError`. */
  connect(address: SocketAddress): void {
    const socket = this.socket;
    if (hasError()) return;
    this.connected = false;
    this.connecting = true;
    this.addr = address;
    const done = socket.connect(address);
    if (hasError()) {
      this.connecting = false;
      return;
    }
    this.setState(done ? State.OPEN : State.CONNECTING);
    if (done) this.handleConnectEvent();
  }

  /** Takes one waiting connection; null when there is none. Out of descriptors, it says so and pauses. */
  accept(): Socket | null {
    const socket = this.socket;
    const fd = socket.acceptDescriptor();
    if (fd >= 0) return socket.accepted(fd);
    const errno = -fd;
    if (errno == ERRNO_AGAIN || errno == ERRNO_CONNABORTED) return null;
    if (isOutOfDescriptors(errno) && channelPause(this.slot, this.generation)) {
      const code = errorCode(errno);
      this.logInfo(this.toString() + ascii(" cannot accept (") + code + ascii("): paused until a channel closes, or for a second"), "error");
    } else {
      raiseErrno(errno, "accept");
    }
    return null;
  }

  /** Sends. @returns how many bytes were taken: perhaps not all, 0 when it would have to wait or the peer is gone. */
  send(data: Uint8Array): i32 {
    return this.sendBytes(data.dataStart, data.length);
  }

  /** Receives up to `maxBytes`; nothing when the peer has ended or is gone, which `handleClose` is told. */
  recv(maxBytes: i32): Uint8Array {
    const endpoint = this.endpoint;
    if (endpoint === null) {
      raiseErrno(ERRNO_BADF, "recv");
      return NO_BYTES;
    }
    const data = endpoint.take(maxBytes);
    if (data.length > 0) return data;
    const errno = lastErrno();
    if (errno != ERRNO_SUCCESS) this.lost(errno, "recv");
    else if (maxBytes > 0 && endpoint.isStream) this.ended();
    return data;
  }

  /** Leaves the map and closes the socket; safe to call again. No callback comes after it. */
  override close(): void {
    this.connected = false;
    this.connecting = false;
    this.accepting = false;
    this.state = State.IDLE;
    this.delChannel();
    this.interest = Ready.READ;
    const endpoint = this.endpoint;
    if (endpoint !== null) endpoint.close();
  }

  /** Writes "log: message" to standard error. */
  log(message: string): void {
    printError("log: " + message);
  }

  /** Writes "type: message" to standard output, unless the type is one of {@link ignoreLogTypes}. */
  logInfo(message: string, type: string = "info"): void {
    const types = this.ignored;
    if (types === null ? type != "warning" : !isIn(types, type)) print(type + ": " + message);
  }

  // Callbacks, to be overridden.

  handleRead(): void {
    this.logInfo(ascii("unhandled read event"), "warning");
  }

  handleWrite(): void {
    this.logInfo(ascii("unhandled write event"), "warning");
  }

  /** There is out-of-band data: no WASI host tells of it. */
  handleExpt(): void {
    this.logInfo(ascii("unhandled incoming priority event"), "warning");
  }

  handleConnect(): void {
    this.logInfo(ascii("unhandled connect event"), "warning");
  }

  /** A connection is waiting. As it is, takes it and hands it to {@link handleAccepted}, as often as there is one. */
  handleAccept(): void {
    const accepted = this.accept();
    this.mayHaveMore = accepted !== null;
    if (accepted !== null) this.handleAccepted(accepted, accepted.address);
  }

  handleAccepted(socket: Socket, _address: SocketAddress): void {
    socket.close();
    this.logInfo(ascii("unhandled accepted event"), "warning");
  }

  /** The peer has sent its last byte; it may still read. As it is, that closes, as in asyncore: {@link handleClose}. */
  handleEof(): void {
    this.handleCloseEvent();
  }

  /** The peer has ended, or is gone. Called once at most. */
  handleClose(): void {
    this.logInfo(ascii("unhandled close event"), "warning");
    this.close();
  }

  /** An operation in a callback failed, or the socket has an error. As it is, logs it and closes. What fails here ends the loop. */
  override handleError(error: OSError): void {
    this.logInfo(ascii("uncaptured exception, closing channel ") + this.toString() + " (" + error.toString() + ")", "error");
    if (this.closeTold) this.close();
    else this.handleCloseEvent();
  }

  // What the loop calls; a subclass that puts a layer of its own in between overrides these.

  override handleReadEvent(): void {
    this.handleRead();
  }

  override handleWriteEvent(): void {
    this.handleWrite();
  }

  override handleExptEvent(): void {
    this.handleExpt();
  }

  override handleConnectEvent(): void {
    this.handleConnect();
    if (this.slot < 0 || hasError()) return;
    this.connected = true;
    this.connecting = false;
  }

  override handleAcceptEvent(): bool {
    this.mayHaveMore = false;
    this.handleAccept();
    return this.mayHaveMore;
  }

  /** A stream has come to the end of its input: calls `handleEof`, once. */
  handleEofEvent(): void {
    if (this.eofTold) return;
    this.eofTold = true;
    channelEndInput(this.slot, this.generation);
    this.handleEof();
  }

  override handleCloseEvent(): void {
    // What a handler does with a channel that it has closed may fail; that is told nobody any more.
    if (this.closeTold || this.fd < 0) return;
    this.closeTold = true;
    channelEndInput(this.slot, this.generation);
    this.handleClose();
  }

  override sampleInterest(): i32 {
    const read = this.readable() ? i32(Ready.READ) : 0;
    return this.writable() && this.hearsWrite ? read | Ready.WRITE : read;
  }

  override readAhead(): bool {
    const endpoint = this.endpoint;
    return endpoint === null || endpoint.readAhead();
  }

  override keepAhead(): bool {
    const endpoint = this.endpoint;
    if (endpoint === null) return false;
    endpoint.keepAhead();
    return endpoint.hasKept;
  }

  override socketError(errno: i32): OSError {
    const syscall = this.connecting ? "connect" : "poll";
    // The engine has left that state as well.
    if (this.connecting) this.state = State.IDLE;
    this.connecting = false;
    return new OSError(errno == ERRNO_SUCCESS ? ERRNO_IO : errno, syscall);
  }

  /** As asyncore's repr: "<EchoServer listening 127.0.0.1:7007>". */
  toString(): string {
    let text = "<" + this.className;
    if (this.accepting) text += ascii(" listening");
    else if (this.connected) text += ascii(" connected");
    const addr = this.addr;
    if (addr !== null && addr.host.length > 0) text += " " + addr.host + ":" + decimal(addr.port);
    return text + ">";
  }

  // What the build answers for each class, because a class cannot know it: its name, and what it overrides.

  get className(): string {
    return "Dispatcher";
  }

  /** Does it override `readable` or `writable`? Then it is asked every turn. */
  get overridesInterest(): bool {
    return false;
  }

  /** Does it override `handleWrite`? If not, there is nobody to tell that it can write. */
  get overridesHandleWrite(): bool {
    return false;
  }

  /** Does it override `send`? Then a class of the library that sends does so by it. */
  get overridesSend(): bool {
    return false;
  }

  // What the library's own subclasses use.

  /** Does the class say itself when it wants to write? Then overriding `handleWrite` is not taken for wanting it. */
  protected get managesWriting(): bool {
    return false;
  }

  /** Takes an endpoint over, and comes into the map. */
  protected setEndpoint(endpoint: Endpoint): void {
    this.delChannel();
    this.endpoint = endpoint;
    this.eofTold = false;
    this.closeTold = false;
    if (!(endpoint instanceof Socket)) this.state = State.OPEN;
    // One that manages its interest may have said it before there was an endpoint.
    if (!this.managesWriting && this.overridesHandleWrite) this.interest = Ready.READ | Ready.WRITE;
    this.addChannel();
  }

  /** Says whether it wants to be told when it can write. */
  protected setWriteInterest(on: bool): void {
    this.setInterest(on ? this.interest | Ready.WRITE : this.interest & ~Ready.WRITE);
  }

  /** Says whether it wants to be told when there is something to read. */
  protected setReadInterest(on: bool): void {
    this.setInterest(on ? this.interest | Ready.READ : this.interest & ~Ready.READ);
  }

  /** The peer is gone: what waits to be sent can go as well. Comes before `handleClose`. */
  protected outputLost(): void {
    this.setWriteInterest(false);
  }

  /** As {@link send}, from memory. */
  protected sendBytes(at: usize, length: i32): i32 {
    const endpoint = this.endpoint;
    if (endpoint === null) {
      raiseErrno(ERRNO_BADF, "send");
      return 0;
    }
    const sent = endpoint.put(at, length);
    if (sent >= 0) return sent;
    if (endpoint.closed) raiseErrno(ERRNO_BADF, "send");
    else this.lost(-sent, "send");
    return 0;
  }

  private setInterest(interest: i32): void {
    if (interest == this.interest) return;
    this.interest = interest;
    channelSetInterest(this.slot, this.generation, interest);
  }

  private setState(state: u8): void {
    this.state = state;
    channelSetState(this.slot, this.generation, state);
  }

  /** What an endpoint's error means: where the peer is gone, handleClose is told. */
  private lost(errno: i32, syscall: string): void {
    if (this.fd < 0 || !isDisconnect(errno)) {
      raiseErrno(errno, syscall);
      return;
    }
    this.outputLost();
    this.handleCloseEvent();
  }

  /** End of input; an error that was pending is the reason for it, and told as recv would have told it. */
  private ended(): void {
    const errno = channelTakeError(this.slot, this.generation);
    // A host that does not tell which error it was says no more than that the peer is gone.
    if (errno != ERRNO_SUCCESS) this.lost(errno == ERRNO_IO ? ERRNO_CONNRESET : errno, "recv");
    else this.handleEofEvent();
  }
}
