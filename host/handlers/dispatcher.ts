/**
 * Owns `Dispatcher`, asyncore's `dispatcher`: a channel with the callbacks that users override. Knows sockets, and of
 * the loop only the seam in channel.ts; the engine decides which callback is due.
 */

import type { Family, SocketAddress, SocketType } from "../backend.js";
import type { Channel, ChannelDescription, Registration } from "../channel.js";
import { ChannelMap, backendOf, registrarOf, socketMap } from "../channel-map.js";
import { checkAddress, checkInstance, checkInteger } from "../check.js";
import type { Endpoint } from "../endpoint.js";
import { Interest, State } from "../engine.js";
import { OSError, isDisconnect } from "../errors.js";
import { Socket } from "../socket.js";
import { declareOurs, isOverride } from "./overrides.js";
import { compactTraceback } from "./traceback.js";

const NOTHING = new Uint8Array(0);

/** Errors of accept that mean "none left to give", which pausing mends and closing would not. */
const OUT_OF_DESCRIPTORS: ReadonlySet<string> = new Set(["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"]);

/**
 * A socket and its callbacks. Subclass it, override `handleRead` and its companions, and run `loop`.
 *
 * Names and meanings are those of asyncore.dispatcher; docs/asyncore.md lists what differs.
 */
export class Dispatcher implements Channel {
  /** Makes `toString` and logging say more; for subclasses to look at. asyncore: debug. */
  debug = false;
  /** Is there a connection? Set by this class. */
  connected = false;
  /** Is a connection being made? Set by this class. */
  connecting = false;
  /** Is it listening? Set by this class. */
  accepting = false;
  /** For subclasses; this class does not look at it. asyncore: closing. */
  closing = false;
  /** The address given to `bind` or `connect`, or the peer's. */
  addr: SocketAddress | undefined;
  /** Kinds of message that {@link logInfo} leaves out. */
  ignoreLogTypes: ReadonlySet<string> = new Set(["warning"]);

  readonly #map: ChannelMap;
  #endpoint: Endpoint | undefined;
  #registration: Registration | undefined;
  #interest: number = Interest.READ;
  #state: number = State.IDLE;
  /** Would anybody hear that it can write? */
  #hearsWrite = false;
  #stopLookup: (() => void) | undefined;
  /** Has handleEof been called for this endpoint, and handleClose? */
  #eofTold = false;
  #closeTold = false;
  /** Did the default handleAccept take a connection just now? */
  #mayHaveMore = false;

  /**
   * @param socket a connected or listening socket to take over
   * @param map the map to be in; default {@link socketMap}
   */
  constructor(socket?: Socket, map: ChannelMap = socketMap) {
    checkInstance("map", map, ChannelMap);
    this.#map = map;
    if (socket !== undefined) this.setSocket(socket);
  }

  /** The socket. @throws OSError EBADF where there is none */
  get socket(): Socket {
    if (this.#endpoint instanceof Socket) return this.#endpoint;
    throw new OSError(this.#endpoint === undefined ? "EBADF" : "ENOTSOCK", { syscall: "socket" });
  }

  /** The descriptor; -1 where there is none. */
  get fd(): number {
    return this.#endpoint?.fd ?? -1;
  }

  /** The map that the channel belongs to. */
  get map(): ChannelMap {
    return this.#map;
  }

  /** Makes a socket and takes it over. */
  createSocket(options: { readonly family?: Family; readonly type?: SocketType } = {}): void {
    this.setSocket(Socket.create(options, backendOf(this.#map)));
  }

  /** Takes a socket over, whatever it is already, and comes into the map. asyncore: set_socket. */
  setSocket(socket: Socket): void {
    checkInstance("socket", socket, Socket);
    this.#adopt(socket);
    this.setEndpoint(socket);
  }

  /** Allows the address to be bound again at once (SO_REUSEADDR); where that cannot be had, does nothing. */
  setReuseAddr(): void {
    try {
      this.socket.setOption("SO_REUSEADDR", 1);
    } catch (error) {
      if (!(error instanceof OSError) || error.code === "EBADF") throw error;
    }
  }

  /** Comes into the map. asyncore: add_channel. */
  addChannel(): void {
    const endpoint = this.#open("epoll");
    this.#registration?.remove();
    this.#hearsWrite = this.managesWriting || isOverride(this.handleWrite);
    this.#registration = registrarOf(this.#map).register(this, {
      fd: endpoint.fd,
      state: this.#state,
      interest: this.#interest,
      asked: isOverride(this.readable) || isOverride(this.writable),
      stream: !(endpoint instanceof Socket) || endpoint.type === "stream",
    });
  }

  /** Leaves the map; the socket stays open. asyncore: del_channel. */
  delChannel(): void {
    this.#stopLookup?.();
    this.#stopLookup = undefined;
    this.#registration?.remove();
    this.#registration = undefined;
  }

  // What a subclass that overrides them is asked every turn.

  /** Is it to be told when there is something to read? As it is: yes. */
  readable(): boolean {
    return (this.#interest & Interest.READ) !== 0;
  }

  /** Is it to be told when it can write? As it is, where `handleWrite` is overridden; asyncore's says yes, and spins. */
  writable(): boolean {
    return (this.#interest & Interest.WRITE) !== 0;
  }

  // What a program asks of the channel.

  /** Listens; `backlog` connections may wait to be accepted. */
  listen(backlog: number): void {
    checkInteger("backlog", backlog, 0, 0x7fffffff);
    this.socket.listen(backlog);
    this.accepting = true;
    this.#setState(State.ACCEPTING);
  }

  /** Binds to an address; port 0 takes a free one, which `socket.localAddress()` tells. */
  bind(address: SocketAddress): void {
    this.socket.bind(address);
    this.addr = address;
  }

  /**
   * Connects. The end of it is told: `handleConnect`, or `handleError` with an {@link OSError}; what is known at once
   * comes at once. A host name is looked up under the loop: see `loop`, `loopSync`.
   * @throws OSError where it fails at once
   */
  connect(address: SocketAddress): void {
    checkAddress("address", address);
    this.#open("connect");
    const { socket } = this;
    this.#stopLookup?.();
    this.#stopLookup = undefined;
    this.connected = false;
    this.connecting = true;
    this.addr = address;
    if (address.path !== undefined || address.host === "" || backendOf(this.#map).isNumeric(address.host) !== 0) {
      this.#connectTo(address);
      return;
    }
    const { host, port } = address;
    const family = socket.family === "IPv6" ? 6 : 4;
    let answered = false;
    const stopLookup = registrarOf(this.#map).lookup(this, host, family, (result) => {
      answered = true;
      this.#stopLookup = undefined;
      if (result instanceof OSError) {
        this.connecting = false;
        throw result;
      }
      this.#connectTo({ host: result, port });
    });
    // Inside `loopSync` it is answered already.
    if (!answered) this.#stopLookup = stopLookup;
  }

  /** Takes one waiting connection; undefined when there is none. Out of descriptors, it says so and pauses. */
  accept(): [socket: Socket, address: SocketAddress] | undefined {
    try {
      return this.socket.accept();
    } catch (error) {
      if (!(error instanceof OSError)) throw error;
      if (error.code === "ECONNABORTED") return undefined;
      if (!OUT_OF_DESCRIPTORS.has(error.code) || this.#registration === undefined) throw error;
      this.#registration.pause();
      this.logInfo(`${this} cannot accept (${error.code}): paused until a channel closes, or for a second`, "error");
      return undefined;
    }
  }

  /** Sends. @returns how many bytes were taken: perhaps not all, 0 when it would have to wait or the peer is gone. */
  send(data: Uint8Array): number {
    const endpoint = this.#open("send");
    try {
      return endpoint.sendSome(data);
    } catch (error) {
      return this.#lost(error, 0);
    }
  }

  /** Receives up to `maxBytes`; nothing when the peer has ended or is gone, which `handleClose` is told. */
  recv(maxBytes: number): Uint8Array {
    const endpoint = this.#open("recv");
    let data: Uint8Array;
    try {
      data = endpoint.recv(maxBytes);
    } catch (error) {
      return this.#lost(error, NOTHING);
    }
    if (data.length === 0 && maxBytes > 0 && this.#isStream()) this.#ended();
    return data;
  }

  /** Leaves the map and closes the socket; safe to call again. No callback comes after it. */
  close(): void {
    this.connected = false;
    this.connecting = false;
    this.accepting = false;
    this.#state = State.IDLE;
    this.delChannel();
    this.#interest = Interest.READ;
    try {
      this.#endpoint?.close();
    } catch (error) {
      if (!(error instanceof OSError) || (error.code !== "ENOTCONN" && error.code !== "EBADF")) throw error;
    }
  }

  /** Writes "log: message" to standard error. */
  log(message: string): void {
    process.stderr.write(`log: ${message}\n`);
  }

  /** Writes "type: message" to standard output, unless the type is one of {@link ignoreLogTypes}. */
  logInfo(message: string, type = "info"): void {
    if (!this.ignoreLogTypes.has(type)) process.stdout.write(`${type}: ${message}\n`);
  }

  // Callbacks, to be overridden.

  handleRead(): void {
    this.logInfo("unhandled read event", "warning");
  }

  handleWrite(): void {
    this.logInfo("unhandled write event", "warning");
  }

  /** There is out-of-band data. */
  handleExpt(): void {
    this.logInfo("unhandled incoming priority event", "warning");
  }

  handleConnect(): void {
    this.logInfo("unhandled connect event", "warning");
  }

  /** A connection is waiting. As it is, takes it and hands it to {@link handleAccepted}, as often as there is one. */
  handleAccept(): void {
    const accepted = this.accept();
    this.#mayHaveMore = accepted !== undefined;
    if (accepted !== undefined) this.handleAccepted(...accepted);
  }

  handleAccepted(socket: Socket, _address: SocketAddress): void {
    socket.close();
    this.logInfo("unhandled accepted event", "warning");
  }

  /**
   * The peer has sent its last byte; it may still read. As it is, that closes, as in asyncore: {@link handleClose}.
   * Override it to go on writing, and close when that is done.
   */
  handleEof(): void {
    this.handleCloseEvent();
  }

  /** The peer has ended, or is gone. Called once at most. */
  handleClose(): void {
    this.logInfo("unhandled close event", "warning");
    this.close();
  }

  /** A callback threw, or the socket has an error. As it is, logs it and closes. What it throws leaves the loop. */
  handleError(error: unknown): void {
    const { type, message, info } = compactTraceback(error);
    this.logInfo(`uncaptured exception, closing channel ${this} (${type}: ${message} ${info})`, "error");
    if (this.#closeTold) this.close();
    else this.handleCloseEvent();
  }

  // What the loop calls; a subclass that puts a layer of its own in between overrides these.

  handleReadEvent(): void {
    this.handleRead();
  }

  handleWriteEvent(): void {
    this.handleWrite();
  }

  handleExptEvent(): void {
    this.handleExpt();
  }

  handleConnectEvent(): void {
    this.handleConnect();
    if (this.#registration === undefined) return;
    this.connected = true;
    this.connecting = false;
  }

  handleAcceptEvent(): boolean {
    this.#mayHaveMore = false;
    this.handleAccept();
    return this.#mayHaveMore;
  }

  /** A stream has come to the end of its input: calls `handleEof`, once. */
  handleEofEvent(): void {
    if (this.#eofTold) return;
    this.#eofTold = true;
    this.#registration?.endInput();
    this.handleEof();
  }

  handleCloseEvent(): void {
    // What a handler does with a channel that it has closed may fail; that is told nobody any more.
    if (this.#closeTold || this.fd < 0) return;
    this.#closeTold = true;
    this.#registration?.endInput();
    this.handleClose();
  }

  socketError(code: string): OSError {
    const syscall = this.connecting ? "connect" : "poll";
    if (this.connecting) {
      // The engine has left that state as well.
      this.connecting = false;
      this.#state = State.IDLE;
    }
    return new OSError(code, { syscall, address: this.addr?.host, port: this.addr?.port, path: this.addr?.path });
  }

  sampleInterest(): number {
    const read = this.readable() ? Interest.READ : Interest.NONE;
    return this.writable() && this.#hearsWrite ? read | Interest.WRITE : read;
  }

  describe(): ChannelDescription {
    const endpoint = this.#endpoint;
    const socket = endpoint instanceof Socket && !endpoint.closed ? endpoint : undefined;
    return {
      state: this.#describeState(),
      local: socket && known(() => socket.localAddress()),
      remote: socket && known(() => socket.remoteAddress()),
      bytesIn: endpoint?.bytesIn ?? 0,
      bytesOut: endpoint?.bytesOut ?? 0,
    };
  }

  /** As asyncore's repr: "<EchoServer listening 127.0.0.1:7007>". */
  toString(): string {
    const parts = [this.constructor.name];
    if (this.accepting && this.addr !== undefined) parts.push("listening");
    else if (this.connected) parts.push("connected");
    if (this.addr !== undefined) parts.push(this.addr.path ?? `${this.addr.host}:${this.addr.port}`);
    return `<${parts.join(" ")}>`;
  }

  // What the library's own subclasses use.

  /** Does the class say itself when it wants to write? Then overriding `handleWrite` is not taken for wanting it. */
  protected get managesWriting(): boolean {
    return false;
  }

  /** Takes an endpoint over, and comes into the map. */
  protected setEndpoint(endpoint: Endpoint): void {
    this.delChannel();
    this.#endpoint = endpoint;
    this.#eofTold = false;
    this.#closeTold = false;
    if (!(endpoint instanceof Socket) || endpoint.type === "dgram") this.#state = State.OPEN;
    // One that manages its interest may have said it before there was an endpoint.
    if (!this.managesWriting && isOverride(this.handleWrite)) this.#interest = Interest.READ | Interest.WRITE;
    this.addChannel();
  }

  /** Says whether it wants to be told when it can write. */
  protected setWriteInterest(on: boolean): void {
    this.#setInterest(on ? this.#interest | Interest.WRITE : this.#interest & ~Interest.WRITE);
  }

  /** Says whether it wants to be told when there is something to read. */
  protected setReadInterest(on: boolean): void {
    this.#setInterest(on ? this.#interest | Interest.READ : this.#interest & ~Interest.READ);
  }

  /** The peer is gone: what waits to be sent can go as well. Comes before `handleClose`. */
  protected outputLost(): void {
    this.setWriteInterest(false);
  }

  /** Sends several pieces in one call, as {@link send}. */
  protected sendPieces(pieces: readonly Uint8Array[]): number {
    const endpoint = this.#open("send");
    try {
      return endpoint.sendSomeOf(pieces);
    } catch (error) {
      return this.#lost(error, 0);
    }
  }

  #setInterest(interest: number): void {
    if (interest === this.#interest) return;
    this.#interest = interest;
    this.#registration?.setInterest(interest);
  }

  #setState(state: number): void {
    this.#state = state;
    this.#registration?.setState(state);
  }

  /** Finds out what a socket given from outside is. */
  #adopt(socket: Socket): void {
    this.connected = false;
    this.connecting = false;
    this.accepting = false;
    this.#state = State.IDLE;
    if (socket.type === "dgram") return;
    try {
      this.addr = socket.remoteAddress();
      this.connected = true;
      this.#state = State.OPEN;
    } catch (error) {
      if (!(error instanceof OSError) || (error.code !== "ENOTCONN" && error.code !== "EINVAL")) throw error;
      if (socket.getOption("SO_ACCEPTCONN") === 0) {
        // A connection that was reset before it could be taken over: reading tells its end.
        if (socket.getOption("SO_ERROR") !== 0) this.#state = State.OPEN;
        return;
      }
      this.addr = socket.localAddress();
      this.accepting = true;
      this.#state = State.ACCEPTING;
    }
  }

  #connectTo(address: SocketAddress): void {
    let done: boolean;
    try {
      done = this.socket.connect(address);
    } catch (error) {
      this.connecting = false;
      throw error;
    }
    this.#setState(done ? State.OPEN : State.CONNECTING);
    if (done) this.handleConnectEvent();
  }

  /** The endpoint. @throws OSError EBADF where there is none, or none any more */
  #open(syscall: string): Endpoint {
    const endpoint = this.#endpoint;
    if (endpoint === undefined || endpoint.fd < 0) throw new OSError("EBADF", { syscall });
    return endpoint;
  }

  #isStream(): boolean {
    return !(this.#endpoint instanceof Socket) || this.#endpoint.type === "stream";
  }

  /** What an endpoint's error means: where the peer is gone, handleClose is told and `nothing` is the answer. */
  #lost<T>(error: unknown, nothing: T): T {
    if (!(error instanceof OSError) || !isDisconnect(error.code)) throw error;
    this.outputLost();
    this.handleCloseEvent();
    return nothing;
  }

  /** End of input; an error that was pending is the reason for it, and told as recv would have told it. */
  #ended(): void {
    const code = this.#registration?.takeError();
    if (code !== undefined) {
      if (!isDisconnect(code)) throw new OSError(code, { syscall: "recv" });
      this.outputLost();
      this.handleCloseEvent();
    } else {
      this.handleEofEvent();
    }
  }

  #describeState(): ChannelDescription["state"] {
    if (this.accepting) return "accepting";
    if (this.#stopLookup !== undefined) return "resolving";
    if (this.connecting) return "connecting";
    if (this.connected) return "connected";
    return this.#state === State.OPEN ? "open" : "idle";
  }
}

declareOurs(
  Dispatcher.prototype.readable,
  Dispatcher.prototype.writable,
  Dispatcher.prototype.handleWrite,
  Dispatcher.prototype.send,
);

/** An address, or undefined where there is none. */
function known(ask: () => SocketAddress): SocketAddress | undefined {
  try {
    return ask();
  } catch {
    return undefined;
  }
}
