/**
 * Owns `Dispatcher`, asyncore's `dispatcher`: making, binding, listening and connecting sockets, and what is put on a channel:
 * TLS, iterators. Knows sockets, and of the loop only the channel's membership of a map. Reading, writing and closing are in
 * its base class, and the callbacks in the base class of that; the engine decides which of them is called.
 */

import type { Family, SocketAddress, SocketType } from "../backend/backend.js";
import { checkAddress, checkInstance, checkInteger } from "../backend/check.js";
import { OSError } from "../backend/errors.js";
import { handleThrown } from "../loop/channel.js";
import { type ChannelMap, backendOf, defaultMap } from "../loop/channel-map.js";
import { accepts } from "../loop/diagnostics.js";
import { Pause, State } from "../loop/engine.js";
import type { Opening } from "../loop/opening.js";
import type { Endpoint } from "../net/endpoint.js";
import { FileWrapper } from "../net/file-wrapper.js";
import { Socket } from "../net/socket.js";
import { TlsEndpoint } from "../net/tls/endpoint.js";
import type { TLSSocket, WrapTlsOptions } from "../net/tls/options.js";
import { moveTls, tlsOf, tlsOn } from "../net/tls/wrapped.js";
import { type ConnectOptions, checkConnectOptions, connectError, familyOfAddress } from "./connect-options.js";
import { startConnect } from "./connect-start.js";
import { membershipOf, setConnecting } from "./channel-handler.js";
import { EndpointChannel, endpointOf, exchangeEndpoint, openEndpoint, socketOf } from "./endpoint-channel.js";
import { declareLibraryClass } from "./library.js";
import { isOutOfDescriptors } from "./states.js";
import { chunksOf } from "./streams/chunks.js";
import type { Controls } from "./streams/layer.js";

/** Sockets that `connect` has made, for channels that had none: another connect makes another. */
const madeByConnect = new WeakSet<Endpoint>();

const FROM_OTHERS = " (fromDuplex() makes one of a stream of Node's, Socket.fromDescriptor() of a descriptor)";

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
export class Dispatcher extends EndpointChannel {
  /**
   * @param socket a connected or listening socket to take over
   * @param map the map to be in; default {@link socketMap}
   */
  constructor(socket?: Socket, map: ChannelMap = defaultMap()) {
    super(map);
    if (socket !== undefined) this.setSocket(socket);
  }

  /**
   * Node's `tls.TLSSocket`, for what it knows of the session: `getPeerCertificate()`, `getProtocol()`, `alpnProtocol`,
   * `authorized`, the event "session". Undefined without TLS, and before the handshake begins. Do not read, write or close it.
   */
  get tls(): TLSSocket | undefined {
    return Dispatcher.#tls(this)?.tlsSocket;
  }

  /** Has a TLS connection ended without the peer's close_notify? What was received may then have been cut short. */
  get tlsTruncated(): boolean {
    return Dispatcher.#tls(this)?.isTruncated === true;
  }

  /** Creates a socket and takes it over. */
  createSocket(options: { readonly family?: Family; readonly type?: SocketType } = {}): void {
    const socket = Socket.create(options, backendOf(this.map));
    Dispatcher.#own(this, socket, () => this.setSocket(socket));
  }

  /**
   * Takes over a socket, which may be connected, listening or neither, and joins the map. On a closed channel, a new life
   * begins: see {@link closed}. asyncore: set_socket.
   * @throws TypeError ERR_SNAKE_CASE if the class has methods with asyncore's names
   */
  setSocket(socket: Socket): void {
    checkInstance("socket", socket, Socket, FROM_OTHERS);
    this.setEndpoint(tlsOf(socket) ?? socket);
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
    Dispatcher.#own(this, file, () => this.setEndpoint(file));
  }

  /** Allows the address to be bound again at once (SO_REUSEADDR); does nothing if the option cannot be set. */
  setReuseAddr(): void {
    try {
      this.socket.setOption("SO_REUSEADDR", true);
    } catch (error) {
      if (!(error instanceof OSError) || error.code === "EBADF") throw error;
    }
  }

  // Called by a program.

  /** Listens; up to `backlog` connections may wait to be accepted. */
  listen(backlog: number): void {
    checkInteger("backlog", backlog, 0, 0x7fffffff);
    this.socket.listen(backlog);
    this.accepting = true;
    membershipOf(this).enter(State.ACCEPTING);
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
    const isAnySocket = Dispatcher.#takesAnySocket(this);
    // Where an address is to be chosen, it makes the channel a member of the map meanwhile.
    if (isAnySocket) Dispatcher.#makeSocket(this, familyOfAddress(backend, address));
    openEndpoint(this, "connect");
    const { socket } = this;
    const membership = membershipOf(this);
    membership.stopLookup();
    this.connected = false;
    setConnecting(this, true);
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
        connectTo: (found) => Dispatcher.#connectTo(this, found),
        won: (found) => Dispatcher.#connectWon(this, found),
        ended: (error) => Dispatcher.#endConnect(this, opening, error),
        failed: (error) => {
          Dispatcher.#endConnect(this, opening, error);
          handleThrown(this, error, false);
        },
      },
    );
    return opening;
  }

  /** Accepts one waiting connection; undefined if there is none. If out of descriptors, it logs this, once a second, and pauses. */
  accept(): [socket: Socket, address: SocketAddress] | undefined {
    try {
      const { socket: listening } = this;
      // A connection that no channel takes over loses its keeper when the callback has finished.
      const isSoonTaken = membershipOf(this).acceptance?.isRunning === true;
      const accepted = isSoonTaken ? listening.acceptKept() : listening.accept();
      if (accepted !== undefined) {
        const [socket, address] = accepted;
        this.noteAccepted(socket);
        if (accepts.hasSubscribers) accepts.publish({ listener: this, socket, address });
      }
      return accepted;
    } catch (error) {
      if (error instanceof OSError && error.code === "ECONNABORTED") return undefined;
      const code = error instanceof OSError && isOutOfDescriptors(error.code) ? error.code : undefined;
      const pause = code === undefined ? Pause.NONE : membershipOf(this).pause();
      if (pause === Pause.NONE) {
        this.noteAcceptFailed();
        throw error;
      }
      if (pause === Pause.NEWS)
        this.logInfo(`${this} cannot accept (${code}): paused until a channel closes, or for a second`, "error");
      return undefined;
    }
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
    return chunksOf(this, Dispatcher.#controls(this));
  }

  // Used by the library's own subclasses.

  /** Bytes of output that `startTls` must not encrypt: pending since before it. */
  protected get plainOutputLength(): number {
    return 0;
  }

  /** Drops input that was read and not delivered: `startTls` must not take it for what comes after the handshake. */
  protected dropPlainInput(): void {}

  /** Pending output has been dropped. */
  protected outputDropped(): void {
    Dispatcher.#tls(this)?.plainOutputDropped();
  }

  /** The endpoint, if it is TLS. Not a field: connections without TLS need no memory for it. */
  static #tls(channel: Dispatcher): TlsEndpoint | undefined {
    const endpoint = endpointOf(channel);
    return endpoint instanceof TlsEndpoint ? endpoint : undefined;
  }

  /** Puts TLS between the channel and its socket. */
  static #layTls(channel: Dispatcher, options: WrapTlsOptions, isUnderWay: boolean): void {
    const { socket } = channel;
    openEndpoint(channel, "startTls");
    const plainBytes = isUnderWay ? channel.plainOutputLength : 0;
    const tls = tlsOn(socket, options, plainBytes, channel.addr?.host);
    if (isUnderWay) channel.dropPlainInput();
    exchangeEndpoint(channel, tls);
    try {
      membershipOf(channel).layOn(tls);
    } catch (error) {
      channel.delChannel();
      throw error;
    }
  }

  /** What a layer that is put on the channel at run time may do: see `streams/layer.ts`. */
  static #controls(channel: Dispatcher): Controls {
    return {
      setReadInterest: (on) => channel.setReadInterest(on),
      setWriteInterest: (on) => {
        // A class that is sampled otherwise has write events only if it overrides handleWrite.
        membershipOf(channel).handlesWrite = true;
        channel.setWriteInterest(on);
      },
      sendNow: (pieces) => channel.sendPieces(pieces),
      endOutput: () => channel.endOutput(),
    };
  }

  static {
    controlsOf = (channel) => Dispatcher.#controls(channel);
    layTls = (channel, options, isUnderWay) => Dispatcher.#layTls(channel, options, isUnderWay);
  }

  static #connectTo(channel: Dispatcher, address: SocketAddress): void {
    let done: boolean;
    try {
      done = channel.socket.connect(address);
    } catch (error) {
      setConnecting(channel, false);
      membershipOf(channel).opening?.fail(error);
      throw error;
    }
    membershipOf(channel).enter(done ? State.OPEN : State.CONNECTING);
    if (done) void channel.handleConnectEvent();
  }

  /** Does a connect make a socket? Not in place of an open one with TLS: the new one would be without. */
  static #takesAnySocket(channel: Dispatcher): boolean {
    if (endpointOf(channel) === undefined) return true;
    if (Dispatcher.#tls(channel) !== undefined && channel.fd >= 0) return false;
    const socket = socketOf(channel);
    return socket !== undefined && madeByConnect.has(socket);
  }

  /** Makes a socket for one connect, in place of that of an earlier one. */
  static #makeSocket(channel: Dispatcher, family: Family): void {
    const former = endpointOf(channel);
    const socket = Socket.create({ family }, backendOf(channel.map));
    madeByConnect.add(socket);
    try {
      Dispatcher.#own(channel, socket, () => channel.setSocket(socket));
    } finally {
      if (endpointOf(channel) !== former) former?.close();
    }
  }

  /** Takes over an endpoint that nobody else has: if that fails, it is closed. */
  static #own(channel: Dispatcher, endpoint: Endpoint, takeOver: () => void): void {
    try {
      takeOver();
    } catch (error) {
      // It may have become the channel's before the failure.
      if (endpointOf(channel) === endpoint) channel.close();
      else endpoint.close();
      throw error;
    }
  }

  /** One of several addresses is connected: its socket takes the place of the one that the channel had meanwhile. */
  static #connectWon(channel: Dispatcher, socket: Socket): void {
    const former = endpointOf(channel);
    channel.delChannel();
    // TLS that was put on the channel meanwhile moves with it: nothing may be sent without.
    exchangeEndpoint(channel, former instanceof TlsEndpoint ? moveTls(former, socket) : socket);
    madeByConnect.add(socket);
    membershipOf(channel).state = State.OPEN;
    try {
      try {
        channel.addChannel();
      } finally {
        former?.close();
      }
      channel.follow(channel.handleConnectEvent());
    } catch (error) {
      handleThrown(channel, error, false);
    }
  }

  /** A connect has failed, and not by an event of the channel's own socket. */
  static #endConnect(channel: Dispatcher, opening: Opening, error: unknown): void {
    membershipOf(channel).stopLookup();
    setConnecting(channel, false);
    membershipOf(channel).enter(State.IDLE);
    opening.fail(error);
  }
}

declareLibraryClass(Dispatcher);
