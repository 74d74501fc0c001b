/**
 * Owns `Dispatcher`, asyncore's `dispatcher`: what a program asks of a channel. Knows sockets, and of the loop only its
 * membership of a map; the callbacks are its base class's, and the engine decides which is due.
 */

import type { Family, SocketAddress, SocketType } from "../backend/backend.js";
import type { ChannelDescription } from "../loop/channel.js";
import { ChannelMap, backendOf, socketMap } from "../loop/channel-map.js";
import { checkAddress, checkInstance, checkInteger } from "../backend/check.js";
import type { Endpoint } from "../net/endpoint.js";
import { Interest, State } from "../loop/engine.js";
import { OSError, isDisconnect } from "../backend/errors.js";
import { Socket } from "../net/socket.js";
import { ChannelHandler } from "./channel-handler.js";
import { describeEndpoint, inspectSocket, isStream } from "./inspect.js";
import { Membership } from "./membership.js";
import { declareOurs, isOverride } from "./overrides.js";

const NOTHING = new Uint8Array(0);

/** Errors of accept that mean "none left to give", which pausing mends and closing would not. */
const OUT_OF_DESCRIPTORS: ReadonlySet<string> = new Set(["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"]);

/**
 * A socket and its callbacks. Subclass it, override `handleRead` and its companions, and run `loop`.
 *
 * Names and meanings are those of asyncore.dispatcher; docs/asyncore.md lists what differs.
 */
export class Dispatcher extends ChannelHandler {
  /** The same that the base class has. */
  readonly #membership: Membership;
  #endpoint: Endpoint | undefined;

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
    return this.#membership.map;
  }

  /** Makes a socket and takes it over. */
  createSocket(options: { readonly family?: Family; readonly type?: SocketType } = {}): void {
    this.setSocket(Socket.create(options, backendOf(this.map)));
  }

  /** Takes a socket over, whatever it is already, and comes into the map. asyncore: set_socket. */
  setSocket(socket: Socket): void {
    checkInstance("socket", socket, Socket);
    this.#reset();
    const { state, address } = inspectSocket(socket);
    if (address !== undefined) this.addr = address;
    this.accepting = state === State.ACCEPTING;
    this.connected = state === State.OPEN && address !== undefined;
    this.#membership.state = state;
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
    const sampled = isOverride(this.readable) || isOverride(this.writable);
    this.#membership.hearsWrite = this.managesWriting || isOverride(this.handleWrite);
    this.#membership.join(this, endpoint.fd, sampled, isStream(endpoint));
  }

  /** Leaves the map; the socket stays open. asyncore: del_channel. */
  delChannel(): void {
    this.#membership.leave();
  }

  // What a program asks of the channel.

  /** Listens; `backlog` connections may wait to be accepted. */
  listen(backlog: number): void {
    checkInteger("backlog", backlog, 0, 0x7fffffff);
    this.socket.listen(backlog);
    this.accepting = true;
    this.#membership.enter(State.ACCEPTING);
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
    this.#membership.stopLookup();
    this.connected = false;
    this.connecting = true;
    this.addr = address;
    if (address.path !== undefined || address.host === "" || backendOf(this.map).isNumeric(address.host) !== 0) {
      this.#connectTo(address);
      return;
    }
    const { host, port } = address;
    const family = socket.family === "IPv6" ? 6 : 4;
    this.#membership.lookup(this, host, family, (result) => {
      if (result instanceof OSError) {
        this.connecting = false;
        throw result;
      }
      this.#connectTo({ host: result, port });
    });
  }

  /** Takes one waiting connection; undefined when there is none. Out of descriptors, it says so and pauses. */
  accept(): [socket: Socket, address: SocketAddress] | undefined {
    try {
      return this.socket.accept();
    } catch (error) {
      if (!(error instanceof OSError)) throw error;
      if (error.code === "ECONNABORTED") return undefined;
      if (!OUT_OF_DESCRIPTORS.has(error.code) || !this.#membership.pause()) throw error;
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
    if (data.length === 0 && maxBytes > 0 && isStream(endpoint)) this.#ended();
    return data;
  }

  /** Leaves the map and closes the socket; safe to call again. No callback comes after it. */
  close(): void {
    this.#reset();
    this.delChannel();
    this.#membership.interest = Interest.READ;
    try {
      this.#endpoint?.close();
    } catch (error) {
      if (!(error instanceof OSError) || (error.code !== "ENOTCONN" && error.code !== "EBADF")) throw error;
    }
  }

  describe(): ChannelDescription {
    return describeEndpoint(this.#endpoint, this.#describeState());
  }

  // What the library's own subclasses use.

  /** Does the class say itself when it wants to write? Then overriding `handleWrite` is not taken for wanting it. */
  protected get managesWriting(): boolean {
    return false;
  }

  /** Takes an endpoint over, and comes into the map. */
  protected setEndpoint(endpoint: Endpoint): void {
    const membership = this.#membership;
    this.delChannel();
    this.#endpoint = endpoint;
    membership.eofTold = false;
    membership.closeTold = false;
    if (!(endpoint instanceof Socket) || endpoint.type === "dgram") membership.state = State.OPEN;
    // One that manages its interest may have said it before there was an endpoint.
    if (!this.managesWriting && isOverride(this.handleWrite)) membership.interest = Interest.READ | Interest.WRITE;
    this.addChannel();
  }

  /** Says whether it wants to be told when it can write. */
  protected setWriteInterest(on: boolean): void {
    this.#membership.want(Interest.WRITE, on);
  }

  /** Says whether it wants to be told when there is something to read. */
  protected setReadInterest(on: boolean): void {
    this.#membership.want(Interest.READ, on);
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
      throw error;
    }
    this.#membership.enter(done ? State.OPEN : State.CONNECTING);
    if (done) this.handleConnectEvent();
  }

  /** The endpoint. @throws OSError EBADF where there is none, or none any more */
  #open(syscall: string): Endpoint {
    const endpoint = this.#endpoint;
    if (endpoint === undefined || endpoint.fd < 0) throw new OSError("EBADF", { syscall });
    return endpoint;
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
    const code = this.#membership.takeError();
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
    if (this.#membership.isResolving) return "resolving";
    if (this.connecting) return "connecting";
    if (this.connected) return "connected";
    return this.#membership.state === State.OPEN ? "open" : "idle";
  }
}

declareOurs(Dispatcher.prototype.send);
