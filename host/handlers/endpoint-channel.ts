/**
 * Owns the endpoint of a channel: taking it over, being in a map with it, reading, writing and closing it, and what its end
 * or its loss means. Knows endpoints, and of the loop only the channel's membership of a map; knows neither how a socket is
 * made or connected nor TLS. The callbacks are in its base class.
 */

import { checkInstance } from "../backend/check.js";
import { OSError, isDisconnect } from "../backend/errors.js";
import type { ChannelDescription } from "../loop/channel.js";
import { ChannelMap, registrarOf } from "../loop/channel-map.js";
import { closes } from "../loop/diagnostics.js";
import { Interest, State } from "../loop/engine.js";
import type { Endpoint } from "../net/endpoint.js";
import { plainBytes } from "../net/plain-bytes.js";
import { Socket } from "../net/socket.js";
import { noteTakenOver } from "./acceptance.js";
import { ChannelHandler, membershipOf, setConnecting } from "./channel-handler.js";
import { connectError } from "./connect-options.js";
import {
  checkMethodNames,
  declareLibraryClass,
  declareLibraryMethods,
  isOverride,
  onMethodAssigned,
} from "./library.js";
import { Membership } from "./membership.js";
import { describeState, STATES, withoutSocket } from "./states.js";

const NOTHING = new Uint8Array(0);

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
export let exchangeEndpoint: (channel: EndpointChannel, endpoint: Endpoint) => void;

/**
 * The part of `Dispatcher` that is the same for a socket, a file and TLS; not meant to be used without it.
 */
export abstract class EndpointChannel extends ChannelHandler {
  /** The channel whose `handleClose` is being called because its peer is gone, unless it has taken another socket since. */
  static #losing: EndpointChannel | undefined;
  #endpoint: Endpoint | undefined;

  /** @internal */
  constructor(map: ChannelMap) {
    checkInstance("map", map, ChannelMap);
    super(new Membership(map));
  }

  /** The socket. @throws OSError EBADF if there is none */
  get socket(): Socket {
    const socket = socketOf(this);
    if (socket !== undefined) return socket;
    if (this.#endpoint === undefined) throw withoutSocket("socket");
    throw new OSError("ENOTSOCK", { syscall: "socket" });
  }

  /** The descriptor; -1 if there is none. */
  get fd(): number {
    return this.#endpoint?.fd ?? -1;
  }

  /** The map that the channel belongs to. */
  get map(): ChannelMap {
    return membershipOf(this).map;
  }

  /** Joins the map, or joins it anew. asyncore: add_channel. */
  addChannel(): void {
    EndpointChannel.#join(this);
  }

  /** Leaves the map; the socket stays open. asyncore: del_channel. */
  delChannel(): void {
    EndpointChannel.#leave(this);
  }

  /** Sends. @returns how many bytes were taken: perhaps not all, 0 if it would have to wait or the peer is gone. */
  send(data: Uint8Array): number {
    const endpoint = EndpointChannel.#open(this, "send");
    try {
      return endpoint.sendSome(data);
    } catch (error) {
      return EndpointChannel.#lost(this, error, 0);
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
    const endpoint = EndpointChannel.#open(this, "recv");
    let data: Uint8Array;
    try {
      data = endpoint.recv(maxBytes);
    } catch (error) {
      return EndpointChannel.#lost(this, error, NOTHING);
    }
    if (data.length === 0 && maxBytes > 0 && endpoint.isStream) EndpointChannel.#ended(this);
    return data;
  }

  /**
   * Receives into `target`, up to its length: for a program that uses its memory again. Otherwise like {@link recv}.
   * socket.recv_into of Python.
   * @returns how many bytes; 0 at end of input or if the peer is gone: then `handleEof` or `handleClose` is called
   * @throws TypeError for anything but a Uint8Array, and for one whose memory was transferred
   */
  recvInto(target: Uint8Array): number {
    const endpoint = EndpointChannel.#open(this, "recv");
    let length: number;
    try {
      length = endpoint.recvInto(target);
    } catch (error) {
      return EndpointChannel.#lost(this, error, 0);
    }
    if (length === 0 && endpoint.isStream && plainBytes("target", target).length > 0) EndpointChannel.#ended(this);
    return length;
  }

  /** Leaves the map and closes the socket; safe to call again. No callback comes after it. */
  close(): void {
    const { fd } = this;
    const membership = membershipOf(this);
    const before = closes.hasSubscribers && fd >= 0 ? this.describe() : undefined;
    EndpointChannel.#reset(this);
    EndpointChannel.#closing = this;
    try {
      this.delChannel();
    } finally {
      EndpointChannel.#closing = undefined;
    }
    if (membership.opening?.isPending === true) membership.opening.fail(EndpointChannel.#closedWhileConnecting(this));
    membership.interest = Interest.READ;
    if (this.#endpoint === undefined) return;
    try {
      this.#endpoint.close();
    } catch (error) {
      if (!(error instanceof OSError) || (error.code !== "ENOTCONN" && error.code !== "EBADF")) throw error;
    } finally {
      membership.endLife();
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
    return { state: describeState(this, membershipOf(this)), local, remote, bytesIn, bytesOut };
  }

  // Used by the library's own subclasses.

  /**
   * Does the class manage its write interest? Otherwise a class that overrides `handleWrite` always wants to write.
   */
  protected get managesWriting(): boolean {
    return false;
  }

  /** Takes over an endpoint, and joins the map. */
  protected setEndpoint(endpoint: Endpoint): void {
    checkMethodNames(this);
    const { kind, address } = endpoint.connectionState();
    const membership = membershipOf(this);
    EndpointChannel.#reset(this);
    this.delChannel();
    if (EndpointChannel.#losing === this) {
      EndpointChannel.#losing = undefined;
      this.forgetOutput();
    }
    this.#endpoint = endpoint;
    if (address !== undefined) this.addr = address;
    this.connected = kind === "connected";
    if (this.connected) membership.opening?.open();
    if (kind === "listening") this.accepting = true;
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
      EndpointChannel.#leave(this);
      throw error;
    }
    noteTakenOver(endpoint.socket ?? endpoint, this);
  }

  /** Sets whether the channel wants write events. */
  protected setWriteInterest(on: boolean): void {
    membershipOf(this).want(Interest.WRITE, on);
  }

  /** Sets whether the channel wants read events. */
  protected setReadInterest(on: boolean): void {
    membershipOf(this).want(Interest.READ, on);
  }

  /** The peer is gone: calls `handleClose`, which may ask what was still to be sent. Then pending output is dropped. */
  protected outputLost(): void {
    this.setWriteInterest(false);
    const outer = EndpointChannel.#losing;
    EndpointChannel.#losing = this;
    try {
      this.handleCloseEvent();
    } finally {
      EndpointChannel.#losing = outer;
    }
  }

  /** Drops pending output, which another socket must not get: `handleClose` takes one without a close. */
  protected forgetOutput(): void {}

  /** Ends the writing half of the connection. shutdown(2), SHUT_WR. */
  protected endOutput(): void {
    EndpointChannel.#open(this, "shutdown").shutdown("write");
  }

  /** Sends several pieces in one call, like {@link send}. */
  protected sendPieces(pieces: readonly Uint8Array[]): number {
    const endpoint = EndpointChannel.#open(this, "send");
    try {
      return endpoint.sendSomeOf(pieces);
    } catch (error) {
      return EndpointChannel.#lost(this, error, 0);
    }
  }

  static {
    endpointOf = (channel) => channel.#endpoint;
    socketOf = (channel) => {
      const endpoint = channel.#endpoint;
      return endpoint instanceof Socket ? endpoint : endpoint?.socket;
    };
    openEndpoint = (channel, syscall) => EndpointChannel.#open(channel, syscall);
    exchangeEndpoint = (channel, endpoint) => {
      channel.#endpoint = endpoint;
    };
    onMethodAssigned((to) => {
      if (#endpoint in to && membershipOf(to).isMember) EndpointChannel.#join(to);
    });
  }

  // Static, because private methods would take a field of each channel.

  /** The channel that leaves its map in order to be closed: its socket need not be registered on its own for that moment. */
  static #closing: EndpointChannel | undefined;

  static #reset(channel: EndpointChannel): void {
    channel.connected = false;
    setConnecting(channel, false);
    if (channel.accepting) channel.accepting = false;
    membershipOf(channel).state = State.IDLE;
  }

  static #join(channel: EndpointChannel): void {
    const endpoint = EndpointChannel.#open(channel, "epoll");
    const sampled = isOverride(channel.readable) || isOverride(channel.writable);
    const membership = membershipOf(channel);
    membership.handlesWrite = channel.managesWriting || isOverride(channel.handleWrite);
    membership.watchUnread();
    try {
      membership.join(channel, endpoint, sampled);
    } catch (error) {
      EndpointChannel.#leave(channel);
      throw error;
    }
    // The map refers to the channel from now on, and the channel to its socket.
    socketOf(channel)?.keepBy(registrarOf(membership.map).keeper);
  }

  static #leave(channel: EndpointChannel): void {
    membershipOf(channel).leave();
    if (EndpointChannel.#closing !== channel) socketOf(channel)?.keepBy(undefined);
  }

  static #closedWhileConnecting({ addr }: EndpointChannel): OSError {
    return connectError("ECONNABORTED", addr ?? { path: "" }, "the channel was closed before it was connected");
  }

  /** The endpoint. @throws OSError EBADF if there is none, or it has been closed */
  static #open(channel: EndpointChannel, syscall: string): Endpoint {
    const endpoint = channel.#endpoint;
    if (endpoint === undefined) throw withoutSocket(syscall);
    if (endpoint.fd < 0) throw new OSError("EBADF", { syscall, hint: "it is closed" });
    return endpoint;
  }

  /** Handles an endpoint's error: if the peer is gone, calls handleClose and returns `nothing`. */
  static #lost<T>(channel: EndpointChannel, error: unknown, nothing: T): T {
    if (!(error instanceof OSError) || !isDisconnect(error.code)) throw error;
    channel.outputLost();
    return nothing;
  }

  /** End of input; a pending error is its cause, and is thrown or handled as if recv had returned it. */
  static #ended(channel: EndpointChannel): void {
    const code = membershipOf(channel).takeError();
    if (code !== undefined) {
      if (!isDisconnect(code)) throw new OSError(code, { syscall: "recv" });
      channel.outputLost();
    } else {
      channel.handleEofEvent();
    }
  }
}

declareLibraryClass(EndpointChannel);
declareLibraryMethods(EndpointChannel.prototype.send);
