/**
 * Owns `Dispatcher`, asyncore's `dispatcher`: what a program asks of a channel, and the channel's place in the map. Knows
 * sockets, and of the loop only the registry; the callbacks are its base class's, and the engine decides which is due. Names,
 * meanings and order of events are those of the TypeScript class; docs/portable.md lists what differs.
 */

import { Ready, State } from "../engine/channels";
import { channelPause, channelSetInterest, channelSetState, channelTakeError } from "../engine/membership";
import { Pause } from "../shared/abi";
import { ERRNO_AGAIN, ERRNO_BADF, ERRNO_CONNABORTED, ERRNO_CONNRESET, ERRNO_IO, ERRNO_SUCCESS } from "../shared/errno";
import { noteAccepted, noteTakenOver } from "./acceptance";
import { SocketAddress } from "./addresses";
import { ascii } from "./ascii";
import { Channel } from "./channel";
import { ChannelMap, socketMap } from "./channel-map";
import { Endpoint, NO_BYTES, lastErrno } from "./endpoint";
import { errorCode } from "./error-codes";
import { hasError, isDisconnect, isOutOfDescriptors, raiseErrno } from "./errors";
import { addChannel, removeChannel } from "./registry";
import { Socket, SocketOptions } from "./socket";

/** A socket and its callbacks. Subclass it, override `handleRead` and its companions, and run `loop`. */
export class Dispatcher extends Channel {
  /** Has the default handleAccept taken a connection just now, and is the listener still open? */
  private _mayHaveMore: bool = false;
  /** Is handleClose being called because the peer is gone, and has the channel taken no other socket since? */
  private _losing: bool = false;
  /** Was there a read event that nobody has handled? */
  private _unread: bool = false;

  /** @param socket a connected or listening socket to take over */
  constructor(socket: Socket | null = null) {
    super();
    if (socket !== null) this.setSocket(socket);
  }

  /** The socket. Where there is none: EBADF, and a closed one. */
  get socket(): Socket {
    const endpoint = this._endpoint;
    if (endpoint !== null && endpoint instanceof Socket) return endpoint as Socket;
    raiseErrno(ERRNO_BADF, ascii("socket"));
    return new Socket(-1, "", "", State.IDLE);
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
    this._state = socket.state;
    this.accepting = socket.state == State.ACCEPTING;
    this.connected = socket.state == State.OPEN && socket.isStream;
    if (this.connected || this.accepting) this.addr = socket.address;
    this.setEndpoint(socket);
  }

  /** Allows the address to be bound again at once; where that cannot be had, does nothing. asyncore: set_reuse_addr. */
  setReuseAddr(): void {
    this.socket.allowReuse();
  }

  /** Comes into the map. asyncore: add_channel. */
  addChannel(): void {
    const endpoint = this._endpoint;
    if (endpoint === null || endpoint.closed) {
      raiseErrno(ERRNO_BADF, ascii("poll_oneoff"));
      return;
    }
    this._handlesWrite = this.managesWriting || this.overridesHandleWrite;
    removeChannel(this);
    addChannel(this, this._state, this._interest, this.overridesInterest, endpoint.isStream);
  }

  /** Leaves the map; the socket stays open. asyncore: del_channel. */
  delChannel(): void {
    removeChannel(this);
  }

  // What a program asks of the channel.

  /** Listens; `backlog` connections may wait to be accepted. */
  listen(backlog: i32): void {
    const socket = this.socket;
    if (hasError()) return;
    socket.listen(backlog);
    if (hasError()) return;
    this.accepting = true;
    this._setState(State.ACCEPTING);
  }

  /** Binds to an address. */
  bind(address: SocketAddress): void {
    const socket = this.socket;
    if (hasError()) return;
    socket.bind(address);
    if (!hasError()) this.addr = address;
  }

  /** Connects to a numeric address. When it ends, `handleConnect` or `handleError` is called. */
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
    this._setState(done ? State.OPEN : State.CONNECTING);
    if (done) this.handleConnectEvent();
  }

  /** Takes one waiting connection; null when there is none. Out of descriptors, it says so, once a second, and pauses. */
  accept(): Socket | null {
    const socket = this.socket;
    const fd = socket.acceptDescriptor();
    if (fd >= 0) {
      const accepted = socket.accepted(fd);
      noteAccepted(accepted);
      return accepted;
    }
    const errno = -fd;
    if (errno == ERRNO_AGAIN || errno == ERRNO_CONNABORTED) return null;
    const pause = isOutOfDescriptors(errno) ? channelPause(this._slot, this._generation) : Pause.NONE;
    if (pause == Pause.NEWS) {
      const code = errorCode(errno);
      this.logInfo(
        this.toString() + ascii(" cannot accept (") + code + ascii("): paused until a channel closes, or for a second"),
        "error",
      );
    } else if (pause == Pause.NONE) {
      noteAccepted(null);
      raiseErrno(errno, ascii("accept"));
    }
    return null;
  }

  /** Sends. @returns how many bytes were taken: perhaps not all, 0 when it would have to wait or the peer is gone. */
  send(data: Uint8Array): i32 {
    return this._sendBytes(data.dataStart, data.length);
  }

  /** Receives up to `maxBytes`; nothing when the peer has ended or is gone: then `handleClose` is called. */
  recv(maxBytes: i32): Uint8Array {
    const endpoint = this._endpoint;
    if (endpoint === null) {
      raiseErrno(ERRNO_BADF, ascii("recv"));
      return NO_BYTES;
    }
    const data = endpoint.take(maxBytes);
    if (data.length > 0) return data;
    const errno = lastErrno();
    if (errno != ERRNO_SUCCESS) this._lost(errno, ascii("recv"));
    else if (maxBytes > 0 && endpoint.isStream) this._ended();
    return data;
  }

  /** Leaves the map and closes the socket; safe to call again. No callback comes after it. */
  override close(): void {
    this.connected = false;
    this.connecting = false;
    this.accepting = false;
    this._state = State.IDLE;
    this.delChannel();
    this._interest = Ready.READ;
    const endpoint = this._endpoint;
    if (endpoint !== null) endpoint.close();
  }

  /**
   * There is input, or the end of it. By default, reads nothing: it logs a warning, and if called again stops watching the
   * channel for input until {@link addChannel} is called.
   */
  override handleRead(): void {
    // In the engine alone: addChannel watches it again.
    if (this._unread) channelSetInterest(this._slot, this._generation, this._interest & ~Ready.READ);
    else super.handleRead();
    this._unread = true;
  }

  // The callbacks of a listener; the others are those of Channel.

  /** A connection is waiting. As it is, takes it and hands it to {@link handleAccepted}, as often as there is one. */
  handleAccept(): void {
    const accepted = this.accept();
    if (accepted === null) return;
    this.handleAccepted(accepted, accepted.address);
    this._mayHaveMore = this.fd >= 0;
  }

  handleAccepted(socket: Socket, _address: SocketAddress): void {
    socket.close();
    this._unhandled(ascii("accepted"));
  }

  override handleAcceptEvent(): bool {
    this._mayHaveMore = false;
    this.handleAccept();
    // One that limits its connections by `readable` is asked again after each one.
    return this._mayHaveMore && this.readable();
  }

  override get className(): string {
    return ascii("Dispatcher");
  }

  // What the library's own subclasses use.

  /** Does the class say itself when it wants to write? Then overriding `handleWrite` is not taken for wanting it. */
  protected get managesWriting(): bool {
    return false;
  }

  /** Takes an endpoint over, and comes into the map. */
  protected setEndpoint(endpoint: Endpoint): void {
    this.delChannel();
    if (this._hasLost()) this.forgetOutput();
    this._endpoint = endpoint;
    this._eofHandled = false;
    this._closeHandled = false;
    // One that manages its interest may have said it before there was an endpoint.
    noteTakenOver(endpoint, this);
    if (!this.managesWriting && this.overridesHandleWrite) this._interest = Ready.READ | Ready.WRITE;
    this.addChannel();
  }

  /** Says whether it is to be notified when it can write. */
  protected setWriteInterest(on: bool): void {
    this._setInterest(on ? this._interest | Ready.WRITE : this._interest & ~Ready.WRITE);
  }

  /** Says whether it is to be notified when there is something to read. */
  protected setReadInterest(on: bool): void {
    this._setInterest(on ? this._interest | Ready.READ : this._interest & ~Ready.READ);
  }

  /** Drops pending output: the peer is gone, and `handleClose` has been called. */
  protected dropOutput(): void {
    this.forgetOutput();
  }

  /** Drops pending output, which another socket must not get. */
  protected forgetOutput(): void {}

  /** As {@link send}, from memory. */
  protected _sendBytes(at: usize, length: i32): i32 {
    const endpoint = this._endpoint;
    const sent = endpoint === null ? -ERRNO_BADF : endpoint.put(at, length);
    if (sent >= 0) return sent;
    this._lost(-sent, ascii("send"));
    return 0;
  }

  private _setInterest(interest: i32): void {
    if (interest == this._interest) return;
    this._interest = interest;
    channelSetInterest(this._slot, this._generation, interest);
  }

  private _setState(state: u8): void {
    this._state = state;
    channelSetState(this._slot, this._generation, state);
  }

  /** Handles an endpoint's error: where the peer is gone, handleClose is called. */
  private _lost(errno: i32, syscall: string): void {
    if (this.fd < 0 || !isDisconnect(errno)) {
      raiseErrno(errno, syscall);
      return;
    }
    this._losing = true;
    this.handleCloseEvent();
    // A handleClose that has begun a new life may have queued output for it.
    if (this._hasLost()) this.dropOutput();
  }

  /** Was it {@link _losing} its peer? It no longer is, and no longer wants to write. */
  private _hasLost(): bool {
    if (!this._losing) return false;
    this._losing = false;
    this.setWriteInterest(false);
    return true;
  }

  /** End of input; a pending error is the reason for it, and is reported as recv would have reported it. */
  private _ended(): void {
    const errno = channelTakeError(this._slot, this._generation);
    // A host that does not say which error it was means no more than that the peer is gone.
    if (errno != ERRNO_SUCCESS) this._lost(errno == ERRNO_IO ? ERRNO_CONNRESET : errno, ascii("recv"));
    else this.handleEofEvent();
  }
}
