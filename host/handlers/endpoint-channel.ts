/**
 * Owns the endpoint of a channel: taking it over, being in a map with it, reading, writing and closing it, and what its end
 * or its loss means. Knows endpoints, and of the loop only the channel's membership of a map; knows neither how a socket is
 * made or connected nor TLS. The callbacks are in its base class.
 */

import { checkInstance } from "../backend/check.js";
import { OSError, isDisconnect } from "../backend/errors.js";
import type { ChannelDescription } from "../loop/channel.js";
import { ChannelMap } from "../loop/channel-map.js";
import { closes } from "../loop/diagnostics.js";
import { Interest, State } from "../loop/engine.js";
import type { Endpoint } from "../net/endpoint.js";
import { plainBytes } from "../net/plain-bytes.js";
import type { Socket } from "../net/socket.js";
import { noteTakenOver } from "./acceptance.js";
import { ChannelHandler } from "./channel-handler.js";
import { connectError } from "./connect-options.js";
import { checkMethodNames, declareLibraryClass, declareLibraryMethods, isOverride } from "./library.js";
import { Membership } from "./membership.js";
import { describeState, STATES, withoutSocket } from "./states.js";

const NOTHING = new Uint8Array(0);

/**
 * The channel's membership of its map, for `Dispatcher`.
 * @internal
 */
export let membershipOf: (channel: EndpointChannel) => Membership;

/**
 * The endpoint, whether or not it is open.
 * @internal
 */
export let endpointOf: (channel: EndpointChannel) => Endpoint | undefined;

/**
 * The endpoint, or the socket beneath it; undefined for a file.
 * @internal
 */
export let socketOf: (channel: EndpointChannel) => Socket | undefined;

/**
 * The endpoint. Throws OSError EBADF if there is none, or it has been closed.
 * @internal
 */
export let openEndpoint: (channel: EndpointChannel, syscall: string) => Endpoint;

/**
 * Puts another endpoint in place of the one that the channel has, which stays open, in the same life of the channel.
 * @internal
 */
export let exchangeEndpoint: (channel: EndpointChannel, endpoint: Endpoint, socket: Socket) => void;

/**
 * The part of `Dispatcher` that is the same for a socket, a file and TLS; not meant to be used without it.
 */
export abstract class EndpointChannel extends ChannelHandler {
  /** The same object that the base class holds. */
  readonly #membership: Membership;
  #endpoint: Endpoint | undefined;
  /** The endpoint, or the socket beneath it. */
  #socket: Socket | undefined;

  /** @internal */
  constructor(map: ChannelMap) {
    checkInstance("map", map, ChannelMap);
    const membership = new Membership(map);
    super(membership);
    this.#membership = membership;
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

  /** The map that the channel belongs to. */
  get map(): ChannelMap {
    return this.#membership.map;
  }

  /** Joins the map, or joins it anew. asyncore: add_channel. */
  addChannel(): void {
    const endpoint = this.#open("epoll");
    const sampled = isOverride(this.readable) || isOverride(this.writable);
    this.#membership.handlesWrite = this.managesWriting || isOverride(this.handleWrite);
    this.#membership.watchUnread();
    this.#membership.join(this, endpoint, sampled);
  }

  /** Leaves the map; the socket stays open. asyncore: del_channel. */
  delChannel(): void {
    this.#membership.leave();
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
    try {
      this.addChannel();
    } catch (error) {
      // Its constructor may not be over: the connection is not the channel's, nor is the error.
      membership.leave();
      throw error;
    }
    noteTakenOver(socket ?? endpoint, this);
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

  static {
    membershipOf = (channel) => channel.#membership;
    endpointOf = (channel) => channel.#endpoint;
    socketOf = (channel) => channel.#socket;
    openEndpoint = (channel, syscall) => channel.#open(syscall);
    exchangeEndpoint = (channel, endpoint, socket) => {
      channel.#endpoint = endpoint;
      channel.#socket = socket;
    };
  }

  #reset(): void {
    this.connected = false;
    this.connecting = false;
    this.accepting = false;
    this.#membership.state = State.IDLE;
  }

  #closedWhileConnecting(): OSError {
    return connectError("ECONNABORTED", this.addr ?? { path: "" }, "the channel was closed before it was connected");
  }

  /** The endpoint. @throws OSError EBADF if there is none, or it has been closed */
  #open(syscall: string): Endpoint {
    const endpoint = this.#endpoint;
    if (endpoint === undefined) throw withoutSocket(syscall);
    if (endpoint.fd < 0) throw new OSError("EBADF", { syscall, hint: "it is closed" });
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

declareLibraryClass(EndpointChannel);
declareLibraryMethods(EndpointChannel.prototype.send);
