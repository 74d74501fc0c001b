/**
 * Owns `Dispatcher`, asyncore's `dispatcher`: the operations that a program calls on a channel. Knows sockets, and of the
 * loop only its membership of a map. The callbacks are in its base class; the engine decides which of them is called.
 */

import type { Family, SocketAddress, SocketType } from "../backend/backend.js";
import { type ChannelDescription, handleThrown } from "../loop/channel.js";
import { ChannelMap, backendOf, socketMap } from "../loop/channel-map.js";
import { checkAddress, checkInstance, checkInteger } from "../backend/check.js";
import type { Endpoint } from "../net/endpoint.js";
import { accepts, closes } from "../loop/diagnostics.js";
import { Interest, State } from "../loop/engine.js";
import type { Opening } from "../loop/opening.js";
import { OSError, isDisconnect } from "../backend/errors.js";
import { FileWrapper } from "../net/file-wrapper.js";
import { plainBytes } from "../net/plain-bytes.js";
import { Socket } from "../net/socket.js";
import { TlsEndpoint } from "../net/tls/endpoint.js";
import type { TLSSocket, WrapTlsOptions } from "../net/tls/options.js";
import { moveTls, tlsOf, tlsOn } from "../net/tls/wrapped.js";
import { noteTakenOver } from "./acceptance.js";
import { ChannelHandler } from "./channel-handler.js";
import { type ConnectOptions, checkConnectOptions, connectError, familyOfAddress } from "./connect-options.js";
import { startConnect } from "./connect-start.js";
import { checkMethodNames, declareLibraryClass, declareLibraryMethods, isOverride } from "./library.js";
import { Membership } from "./membership.js";
import { describeState, isOutOfDescriptors, STATES, withoutSocket } from "./states.js";

import { chunksOf } from "./streams/chunks.js";
import type { Controls } from "./streams/layer.js";

const NOTHING = new Uint8Array(0);

/** Sockets that `connect` has made, for channels that had none: another connect makes another. */
const madeByConnect = new WeakSet<Endpoint>();

/** The controls of a channel, for layers. */
export let controlsOf: (channel: Dispatcher) => Controls;

/**
 * Puts TLS between a channel and its socket: the part of `wrapTls` and `startTls` that needs the channel's own.
 * @internal
 */
export let layTls: (channel: Dispatcher, options: WrapTlsOptions, isUnderWay: boolean) => void;

/**
 * A socket and its callbacks. Subclass it, override `handleRead` and its companions, and run `loop`.
 *
 * Names and meanings are those of asyncore.dispatcher; docs/asyncore.md lists what differs.
 */
export class Dispatcher extends ChannelHandler {
  /** The same object that the base class holds. */
  readonly #membership: Membership;
  #endpoint: Endpoint | undefined;
  /** The endpoint, or the socket beneath it. */
  #socket: Socket | undefined;

  /**
   * @param socket a connected or listening socket to take over
   * @param map the map to be in; default {@link socketMap}
   */
  constructor(socket?: Socket, map: ChannelMap = socketMap) {
    checkInstance("map", map, ChannelMap);
    const membership = new Membership(map);
    super(membership);
    this.#membership = membership;
    if (socket !== undefined) this.setSocket(socket);
  }

  /** The socket. @throws OSError EBADF if there is none */
  get socket(): Socket {
    if (this.#socket !== undefined) return this.#socket;
    if (this.#endpoint === undefined) throw withoutSocket("socket");
    throw new OSError("ENOTSOCK", { syscall: "socket" });
  }

  /** The descriptor; -1 if there is none. */
  get fd(): number {
    return this.#endpoint?.fd ?? -1;
  }

  /**
   * Node's `tls.TLSSocket`, for what it knows of the session: `getPeerCertificate()`, `getProtocol()`, `alpnProtocol`,
   * `authorized`, the event "session". Undefined without TLS, and before the handshake begins. Do not read, write or close it.
   */
  get tls(): TLSSocket | undefined {
    return this.#tls?.tlsSocket;
  }

  /** Has a TLS connection ended without the peer's close_notify? What was received may then have been cut short. */
  get tlsTruncated(): boolean {
    return this.#tls?.isTruncated === true;
  }

  /** The map that the channel belongs to. */
  get map(): ChannelMap {
    return this.#membership.map;
  }

  /** Creates a socket and takes it over. */
  createSocket(options: { readonly family?: Family; readonly type?: SocketType } = {}): void {
    this.setSocket(Socket.create(options, backendOf(this.map)));
  }

  /**
   * Takes over a socket, which may be connected, listening or neither, and joins the map. On a closed channel, a new life
   * begins: see {@link closed}. asyncore: set_socket.
   * @throws TypeError ERR_SNAKE_CASE if the class has methods with asyncore's names
   */
  setSocket(socket: Socket): void {
    checkInstance("socket", socket, Socket);
    this.setEndpoint(tlsOf(socket) ?? socket, socket);
  }

  /**
   * Takes over a duplicate of a descriptor of any kind (a pipe's end, a terminal, a file), made non-blocking, and joins the
   * map; the caller closes the original. `recv` and `send` are read(2) and write(2) then. O_NONBLOCK belongs to the open
   * file: all processes that share it have it. asyncore: file_dispatcher's set_file.
   * @throws OSError: EBADF, EMFILE, ...
   */
  setFile(fd: number): void {
    const backend = backendOf(this.map);
    const file = new FileWrapper(fd, backend);
    const result = backend.setNonBlocking(file.fd, true);
    if (result < 0) {
      file.close();
      throw new OSError(backend.errorCode(result), { errno: result, syscall: "fcntl" });
    }
    this.setEndpoint(file);
  }

  /** Allows the address to be bound again at once (SO_REUSEADDR); does nothing if the option cannot be set. */
  setReuseAddr(): void {
    try {
      this.socket.setOption("SO_REUSEADDR", true);
    } catch (error) {
      if (!(error instanceof OSError) || error.code === "EBADF") throw error;
    }
  }

  /** Joins the map. asyncore: add_channel. */
  addChannel(): void {
    const endpoint = this.#open("epoll");
    const sampled = isOverride(this.readable) || isOverride(this.writable);
    this.#membership.handlesWrite = this.managesWriting || isOverride(this.handleWrite);
    this.#membership.join(this, endpoint, sampled);
  }

  /** Leaves the map; the socket stays open. asyncore: del_channel. */
  delChannel(): void {
    this.#membership.leave();
  }

  // Called by a program.

  /** Listens; up to `backlog` connections may wait to be accepted. */
  listen(backlog: number): void {
    checkInteger("backlog", backlog, 0, 0x7fffffff);
    this.socket.listen(backlog);
    this.accepting = true;
    this.#membership.enter(State.ACCEPTING);
  }

  /** Binds to an address; port 0 takes a free one: see `socket.localAddress()`. */
  bind(address: SocketAddress): void {
    this.socket.bind(address);
    this.addr = address;
  }

  /**
   * Connects. The result is reported by `handleConnect`, or by `handleError` with an {@link OSError}; immediately if it is
   * known immediately. It can be awaited as well: see {@link opened}. A host name is looked up by the loop: see `loop`,
   * `loopSync`.
   *
   * A channel without a socket gets one of the address's family, and a new one each time. The addresses of a host name are
   * then tried in turn, of both families, until one connects (RFC 8305). A channel with a socket of its own connects that
   * one, to the first address of its family.
   * @throws OSError if it fails immediately
   */
  connect(address: SocketAddress, options: ConnectOptions = {}): PromiseLike<void> {
    checkAddress("address", address);
    checkConnectOptions(options);
    const backend = backendOf(this.map);
    const isAnySocket = this.#takesAnySocket;
    // Where an address is to be chosen, it makes the channel a member of the map meanwhile.
    if (isAnySocket) this.#makeSocket(familyOfAddress(backend, address));
    this.#open("connect");
    const { socket } = this;
    const membership = this.#membership;
    membership.stopLookup();
    this.connected = false;
    this.connecting = true;
    const former = this.addr ?? address;
    const opening = membership.beginOpening(() => connectError("ECONNABORTED", former, "another connect was begun"));
    this.addr = address;
    const family = options.family ?? (isAnySocket ? 0 : socket.family === "IPv6" ? 6 : 4);
    startConnect(
      this,
      membership,
      opening,
      address,
      options,
      { family, areForOwnSocket: !isAnySocket },
      {
        connectTo: (found) => this.#connectTo(found),
        won: (found) => this.#connectWon(found),
        ended: (error) => this.#endConnect(opening, error),
        failed: (error) => {
          this.#endConnect(opening, error);
          handleThrown(this, error, false);
        },
      },
    );
    return opening;
  }

  /** Accepts one waiting connection; undefined if there is none. If out of descriptors, it logs this and pauses. */
  accept(): [socket: Socket, address: SocketAddress] | undefined {
    try {
      const accepted = this.socket.accept();
      if (accepted !== undefined) {
        const [socket, address] = accepted;
        this.noteAccepted(socket);
        if (accepts.hasSubscribers) accepts.publish({ listener: this, socket, address });
      }
      return accepted;
    } catch (error) {
      if (error instanceof OSError && error.code === "ECONNABORTED") return undefined;
      if (!(error instanceof OSError && isOutOfDescriptors(error.code) && this.#membership.pause())) {
        this.noteAcceptFailed();
        throw error;
      }
      this.logInfo(`${this} cannot accept (${error.code}): paused until a channel closes, or for a second`, "error");
      return undefined;
    }
  }

  /** Sends. @returns how many bytes were taken: perhaps not all, 0 if it would have to wait or the peer is gone. */
  send(data: Uint8Array): number {
    const endpoint = this.#open("send");
    try {
      return endpoint.sendSome(data);
    } catch (error) {
      return this.#lost(error, 0);
    }
  }

  /**
   * Receives up to `maxBytes`; empty at end of input or if the peer is gone: then `handleEof` or `handleClose` is called.
   *
   * What is returned never changes. From 1 KiB on it may be a view of a larger memory that other data shares, as of a Buffer:
   * its `buffer` is not for use, a view that is kept keeps up to 1 MiB in memory, and posting it to a thread copies all of
   * that. `data.slice()` is a copy of its own. See {@link recvInto} for memory that the program provides.
   */
  recv(maxBytes: number): Uint8Array {
    const endpoint = this.#open("recv");
    let data: Uint8Array;
    try {
      data = endpoint.recv(maxBytes);
    } catch (error) {
      return this.#lost(error, NOTHING);
    }
    if (data.length === 0 && maxBytes > 0 && endpoint.isStream) this.#ended();
    return data;
  }

  /**
   * Receives into `target`, up to its length: for a program that uses its memory again. Otherwise like {@link recv}.
   * socket.recv_into of Python.
   * @returns how many bytes; 0 at end of input or if the peer is gone: then `handleEof` or `handleClose` is called
   * @throws TypeError for anything but a Uint8Array, and for one whose memory was transferred
   */
  recvInto(target: Uint8Array): number {
    const endpoint = this.#open("recv");
    let length: number;
    try {
      length = endpoint.recvInto(target);
    } catch (error) {
      return this.#lost(error, 0);
    }
    if (length === 0 && endpoint.isStream && plainBytes("target", target).length > 0) this.#ended();
    return length;
  }

  /** Leaves the map and closes the socket; safe to call again. No callback comes after it. */
  close(): void {
    const { fd } = this;
    const before = closes.hasSubscribers && fd >= 0 ? this.describe() : undefined;
    this.#reset();
    this.delChannel();
    if (this.#membership.opening?.isPending === true) this.#membership.opening.fail(this.#closedWhileConnecting());
    this.#membership.interest = Interest.READ;
    if (this.#endpoint === undefined) return;
    try {
      this.#endpoint.close();
    } catch (error) {
      if (!(error instanceof OSError) || (error.code !== "ENOTCONN" && error.code !== "EBADF")) throw error;
    } finally {
      this.#membership.endLife();
    }
    if (before !== undefined) {
      const { local, remote, bytesIn, bytesOut } = before;
      closes.publish({ channel: this, fd, local, remote, bytesIn, bytesOut });
    }
  }

  /** The same as {@link close}, for `using` and `await using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * The input as it arrives, in chunks: `for await (const chunk of channel)`. Ends at end of input; throws what
   * `handleError` would be given, and ECONNRESET if the connection is lost. At most 64 KiB are read ahead.
   *
   * The input goes to iterators from then on: `handleRead`, `handleEof`, `handleClose` and `handleError` are not called any
   * more. Neither leaving the loop nor its end closes the channel: another loop goes on where the last one was left.
   * @throws Error ERR_INPUT_CLAIMED if the input goes to a stream already
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Buffer> {
    return chunksOf(this, this.#controls);
  }

  describe(withAddresses = true): ChannelDescription {
    const endpoint = this.#endpoint;
    const { local, remote } = withAddresses && endpoint !== undefined && endpoint.fd >= 0 ? endpoint.addresses() : {};
    const { bytesIn = 0, bytesOut = 0 } = endpoint ?? {};
    return { state: describeState(this, this.#membership), local, remote, bytesIn, bytesOut };
  }

  // Used by the library's own subclasses.

  /**
   * Does the class manage its write interest? Otherwise a class that overrides `handleWrite` always wants to write.
   */
  protected get managesWriting(): boolean {
    return false;
  }

  /**
   * Takes over an endpoint, and joins the map.
   * @param socket the socket that the endpoint is, or is layered on
   */
  protected setEndpoint(endpoint: Endpoint, socket?: Socket): void {
    checkMethodNames(this);
    const { kind, address } = endpoint.connectionState();
    const membership = this.#membership;
    this.#reset();
    this.delChannel();
    this.#endpoint = endpoint;
    this.#socket = socket;
    if (address !== undefined) this.addr = address;
    this.connected = kind === "connected";
    if (this.connected) membership.opening?.open();
    this.accepting = kind === "listening";
    membership.state = STATES[kind];
    membership.eofHandled = false;
    membership.closeHandled = false;
    membership.beginLife();
    // A class that manages its interest may have set it before there was an endpoint.
    if (!this.managesWriting && isOverride(this.handleWrite)) membership.interest = Interest.READ | Interest.WRITE;
    noteTakenOver(socket ?? endpoint, this);
    this.addChannel();
  }

  /** Bytes of output that `startTls` must not encrypt: pending since before it. */
  protected get plainOutputLength(): number {
    return 0;
  }

  /** Drops input that was read and not delivered: `startTls` must not take it for what comes after the handshake. */
  protected dropPlainInput(): void {}

  /** Pending output has been dropped. */
  protected outputDropped(): void {
    this.#tls?.plainOutputDropped();
  }

  /** Sets whether the channel wants write events. */
  protected setWriteInterest(on: boolean): void {
    this.#membership.want(Interest.WRITE, on);
  }

  /** Sets whether the channel wants read events. */
  protected setReadInterest(on: boolean): void {
    this.#membership.want(Interest.READ, on);
  }

  /** The peer is gone: pending output can be dropped. Called before `handleClose`. */
  protected outputLost(): void {
    this.setWriteInterest(false);
  }

  /** Ends the writing half of the connection. shutdown(2), SHUT_WR. */
  protected endOutput(): void {
    this.#open("shutdown").shutdown("write");
  }

  /** Sends several pieces in one call, like {@link send}. */
  protected sendPieces(pieces: readonly Uint8Array[]): number {
    const endpoint = this.#open("send");
    try {
      return endpoint.sendSomeOf(pieces);
    } catch (error) {
      return this.#lost(error, 0);
    }
  }

  /** The endpoint, if it is TLS. Not a field: connections without TLS need no memory for it. */
  get #tls(): TlsEndpoint | undefined {
    const endpoint = this.#endpoint;
    return endpoint instanceof TlsEndpoint ? endpoint : undefined;
  }

  /** Puts TLS between the channel and its socket. */
  #layTls(options: WrapTlsOptions, isUnderWay: boolean): void {
    const { socket } = this;
    this.#open("startTls");
    const plainBytes = isUnderWay ? this.plainOutputLength : 0;
    const tls = tlsOn(socket, options, plainBytes, this.addr?.host);
    if (isUnderWay) this.dropPlainInput();
    this.#endpoint = tls;
    this.#membership.setLayer(tls);
  }

  /** What a layer that is put on the channel at run time may do: see `streams/layer.ts`. */
  get #controls(): Controls {
    return {
      setReadInterest: (on) => this.setReadInterest(on),
      setWriteInterest: (on) => {
        // A class that is sampled otherwise has write events only if it overrides handleWrite.
        this.#membership.handlesWrite = true;
        this.setWriteInterest(on);
      },
      sendNow: (pieces) => this.sendPieces(pieces),
      endOutput: () => this.endOutput(),
    };
  }

  static {
    controlsOf = (channel) => channel.#controls;
    layTls = (channel, options, isUnderWay) => channel.#layTls(options, isUnderWay);
  }

  #reset(): void {
    this.connected = false;
    this.connecting = false;
    this.accepting = false;
    this.#membership.state = State.IDLE;
  }

  #connectTo(address: SocketAddress): void {
    let done: boolean;
    try {
      done = this.socket.connect(address);
    } catch (error) {
      this.connecting = false;
      this.#membership.opening?.fail(error);
      throw error;
    }
    this.#membership.enter(done ? State.OPEN : State.CONNECTING);
    if (done) void this.handleConnectEvent();
  }

  /** Does a connect make a socket? Not in place of an open one with TLS: the new one would be without. */
  get #takesAnySocket(): boolean {
    if (this.#endpoint === undefined) return true;
    if (this.#tls !== undefined && this.fd >= 0) return false;
    return this.#socket !== undefined && madeByConnect.has(this.#socket);
  }

  /** Makes a socket for one connect, in place of that of an earlier one. */
  #makeSocket(family: Family): void {
    const former = this.#endpoint;
    const socket = Socket.create({ family }, backendOf(this.map));
    madeByConnect.add(socket);
    this.setSocket(socket);
    former?.close();
  }

  /** One of several addresses is connected: its socket takes the place of the one that the channel had meanwhile. */
  #connectWon(socket: Socket): void {
    const former = this.#endpoint;
    this.delChannel();
    // TLS that was put on the channel meanwhile moves with it: nothing may be sent without.
    this.#endpoint = former instanceof TlsEndpoint ? moveTls(former, socket) : socket;
    this.#socket = socket;
    madeByConnect.add(socket);
    this.#membership.state = State.OPEN;
    try {
      try {
        this.addChannel();
      } finally {
        former?.close();
      }
      this.follow(this.handleConnectEvent());
    } catch (error) {
      handleThrown(this, error, false);
    }
  }

  /** A connect has failed, and not by an event of the channel's own socket. */
  #endConnect(opening: Opening, error: OSError): void {
    this.#membership.stopLookup();
    this.connecting = false;
    this.#membership.enter(State.IDLE);
    opening.fail(error);
  }

  #closedWhileConnecting(): OSError {
    return connectError("ECONNABORTED", this.addr ?? { path: "" }, "the channel was closed before it was connected");
  }

  /** The endpoint. @throws OSError EBADF if there is none, or it has been closed */
  #open(syscall: string): Endpoint {
    const endpoint = this.#endpoint;
    if (endpoint === undefined) throw withoutSocket(syscall);
    if (endpoint.fd < 0) throw new OSError("EBADF", { syscall });
    return endpoint;
  }

  /** Handles an endpoint's error: if the peer is gone, calls handleClose and returns `nothing`. */
  #lost<T>(error: unknown, nothing: T): T {
    if (!(error instanceof OSError) || !isDisconnect(error.code)) throw error;
    this.outputLost();
    this.handleCloseEvent();
    return nothing;
  }

  /** End of input; a pending error is its cause, and is thrown or handled as if recv had returned it. */
  #ended(): void {
    const code = this.#membership.takeError();
    if (code !== undefined) {
      if (!isDisconnect(code)) throw new OSError(code, { syscall: "recv" });
      this.outputLost();
      this.handleCloseEvent();
    } else {
      this.handleEofEvent();
    }
  }
}

declareLibraryClass(Dispatcher);
declareLibraryMethods(Dispatcher.prototype.send);
