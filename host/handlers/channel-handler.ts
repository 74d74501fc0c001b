/**
 * Owns a channel's callbacks: asyncore's callbacks, their default behaviour, and which of them each event of the loop
 * calls. Knows the seam in channel.ts, and a socket only as something to pass on.
 *
 * `Dispatcher`, which users extend, is the other half: the operations that a program calls on a channel.
 */

import type { SocketAddress } from "../backend/backend.js";
import { type Channel, type ChannelDescription, handleThrown, isThenable } from "../loop/channel.js";
import { connects } from "../loop/diagnostics.js";
import { Interest, State } from "../loop/engine.js";
import { OSError } from "../backend/errors.js";
import { INSPECT, type Inspect, type InspectOptions } from "../backend/inspect.js";
import { writeLog } from "../backend/log.js";
import { describeThrown } from "../backend/traceback.js";
import type { Socket } from "../net/socket.js";
import { Acceptance } from "./acceptance.js";
import { inspectChannel } from "./inspect.js";
import { declareLibraryClass, declareSampledMethods } from "./library.js";
import type { Membership } from "./membership.js";

/**
 * The channel's membership of its map, for `Dispatcher`.
 * @internal
 */
export let membershipOf: (channel: ChannelHandler) => Membership;

/**
 * Sets `connecting`. A channel that never connects has no field of its own for it.
 * @internal
 */
export function setConnecting(channel: ChannelHandler, on: boolean): void {
  if (channel.connecting !== on) channel.connecting = on;
}

/**
 * The callbacks of `Dispatcher`; not meant to be used without it.
 *
 * A callback may be `async`. The loop does not wait for it: further events are delivered while its promise is pending.
 * A rejection is handled like an error that a callback throws.
 */
export abstract class ChannelHandler implements Channel {
  // Rarely changed: a value of the class, as in asyncore, so that connections need no memory for it.

  /** For subclasses; this class does not use it. asyncore: debug. */
  declare debug: boolean;
  /** For subclasses; this class does not use it. asyncore: closing. */
  declare closing: boolean;
  /** Types of message that {@link logInfo} does not log. Assign another set to change it. */
  declare ignoreLogTypes: ReadonlySet<string>;
  /** Is a connect in progress? Set by this class. */
  declare connecting: boolean;
  /** Is the channel listening? Set by this class. */
  declare accepting: boolean;

  /** Is the channel connected? Set by this class. */
  connected = false;
  /** The address passed to `bind` or `connect`, or the peer's address. */
  addr: SocketAddress | undefined;

  readonly #membership: Membership;

  /** @internal */
  constructor(membership: Membership) {
    this.#membership = membership;
  }

  // Implemented by the other half.

  abstract get fd(): number;
  abstract accept(): [socket: Socket, address: SocketAddress] | undefined;
  abstract close(): void;
  abstract describe(withAddresses?: boolean): ChannelDescription;

  /**
   * Resolves when the channel is closed; never rejects. Taking over a socket after that begins a new life, with its own
   * promise.
   */
  get closed(): Promise<void> {
    return this.#membership.lifetime.closed;
  }

  /**
   * Resolves when the channel is connected; rejects with the error if the connect fails, and with ECONNABORTED if the
   * channel is closed first. What `connect` returns, for code that does not call it itself. If nobody waits for it, a
   * rejection is ignored: the error goes to `handleError` in any case.
   */
  get opened(): Promise<void> {
    return this.#membership.openingOf(this.connected).promise;
  }

  /** Aborted when the channel is closed, to cancel asynchronous work on its behalf. Each life has its own signal. */
  get signal(): AbortSignal {
    return this.#membership.lifetime.signal;
  }

  /** Logs a message; by default to standard error, as "log: message". See `setLogSink`. */
  log(message: string): void {
    writeLog("log", message, "stderr");
  }

  /**
   * Logs a message unless its type is one of {@link ignoreLogTypes}; by default to standard output, as "type: message".
   * See `setLogSink`.
   */
  logInfo(message: string, type = "info"): void {
    if (!this.ignoreLogTypes.has(type)) writeLog(type, message, "stdout");
  }

  // Sampled every turn if a subclass overrides them.

  /**
   * Does the channel want read events? By default, yes.
   * @example override readable() { return this.free > 0; }
   */
  readable(): boolean {
    return (this.#membership.interest & Interest.READ) !== 0;
  }

  /**
   * Does the channel want write events? By default, only if `handleWrite` is overridden; asyncore says yes, and spins.
   * @example override writable() { return this.queue.length > 0; }
   */
  writable(): boolean {
    return (this.#membership.interest & Interest.WRITE) !== 0;
  }

  // Callbacks, to be overridden.

  /**
   * There is input, or the end of it. By default, reads nothing: it logs a warning, and if called again stops watching the
   * channel for input until {@link addChannel} is called, so that unread input does not use up the processor. A class
   * that is to notice the end of the connection reads here, if only to drop the data.
   * @example
   * override handleRead() {
   *   const data = this.recv(8192); // empty at the end of input
   *   if (data.length > 0) this.send(data);
   * }
   */
  handleRead(): void | Promise<void> {
    if (!this.#membership.leaveUnread()) this.logInfo("unhandled read event", "warning");
  }

  /**
   * There is room for output. By default, logs a warning.
   * @example override handleWrite() { this.rest = this.rest.subarray(this.send(this.rest)); }
   */
  handleWrite(): void | Promise<void> {
    this.logInfo("unhandled write event", "warning");
  }

  /**
   * Out-of-band data has arrived.
   * @example override handleExpt() { this.urgent(this.socket.recvOutOfBand()); }
   */
  handleExpt(): void | Promise<void> {
    this.logInfo("unhandled incoming priority event", "warning");
  }

  /**
   * The connection that `connect` began is open. By default, logs a warning.
   * @example override handleConnect() { this.send(Buffer.from("GET / HTTP/1.0\r\n\r\n")); }
   */
  handleConnect(): void | Promise<void> {
    this.logInfo("unhandled connect event", "warning");
  }

  /**
   * The connection has become secure: the TLS handshake has succeeded. See `wrapTls` and `startTls`.
   * @example override handleSecure() { this.log(`secure, by ${this.tls?.getProtocol()}`); }
   */
  handleSecure(): void | Promise<void> {}

  /**
   * A connection is waiting. By default, accepts it and passes it to {@link handleAccepted}, and is called again until no
   * connection is waiting, or {@link readable} returns false. An error thrown after `accept` belongs to the connection: the channel that has taken it over
   * gets the error in its handleError; if none has, the connection is closed and the error logged. The listener goes on.
   * @example override handleAccept() { const [socket] = this.accept() ?? []; if (socket !== undefined) serve(socket); }
   */
  handleAccept(): void | Promise<void> {
    const accepted = this.accept();
    const { acceptance } = this.#membership;
    if (acceptance !== undefined) acceptance.mayHaveMore = accepted !== undefined;
    return accepted === undefined ? undefined : this.handleAccepted(accepted[0], accepted[1]);
  }

  /**
   * A connection was accepted. By default, closes it and logs a warning.
   * @example override handleAccepted(socket: Socket) { new EchoHandler(socket, this.map); }
   */
  handleAccepted(socket: Socket, _address: SocketAddress): void | Promise<void> {
    socket.close();
    this.logInfo("unhandled accepted event", "warning");
  }

  /**
   * The peer has sent its last byte; it may still read. By default, calls {@link handleClose}, as in asyncore. Override it
   * to keep writing, and close when done. It is `recv` that finds the end, so {@link handleRead} must call that.
   * @example override handleEof() { this.send(this.answer()); this.close(); }
   */
  handleEof(): void | Promise<void> {
    this.handleCloseEvent();
  }

  /**
   * The connection is over, or lost. Called at most once for each socket taken over.
   * @example override handleClose() { clients.delete(this); this.close(); }
   */
  handleClose(): void | Promise<void> {
    this.logInfo("unhandled close event", "warning");
    this.close();
  }

  /**
   * A callback threw, or the socket has an error. By default, logs it and closes. An error thrown here leaves the loop.
   * @example override handleError(error: unknown) { this.log(String(error)); this.close(); }
   */
  handleError(error: unknown): void | Promise<void> {
    this.logInfo(`uncaptured exception, closing channel ${this} (${describeThrown(error)})`, "error");
    if (this.#membership.closeHandled) this.close();
    else this.handleCloseEvent();
  }

  // Called by the loop; overridden by a subclass that adds a layer between the loop and the callbacks.

  handleReadEvent(): void | Promise<void> {
    this.follow(this.handleRead());
  }

  handleWriteEvent(): void | Promise<void> {
    this.follow(this.handleWrite());
  }

  handleExptEvent(): void | Promise<void> {
    this.follow(this.handleExpt());
  }

  handleConnectEvent(): void | Promise<void> {
    if (connects.hasSubscribers) {
      connects.publish({ channel: this, address: this.addr });
      // A subscriber may have closed it.
      if (this.fd < 0) return;
    }
    this.follow(this.handleConnect());
    if (!this.#membership.isMember) return;
    this.connected = true;
    setConnecting(this, false);
    this.#membership.opening?.open();
  }

  handleSecureEvent(): void | Promise<void> {
    this.follow(this.handleSecure());
  }

  handleAcceptEvent(): boolean {
    const acceptance = (this.#membership.acceptance ??= new Acceptance(this));
    acceptance.begin();
    try {
      ChannelHandler.#followAccept(this, this.handleAccept(), acceptance);
    } catch (error) {
      if (!acceptance.fail(error, (thrown) => this.#membership.leaveLoop(thrown))) throw error;
    }
    // A class that limits its connections by `readable` is asked again after each one.
    return acceptance.mayHaveMore && this.#membership.isMember && this.readable();
  }

  /** A stream has reached end of input: calls `handleEof`, once for each socket taken over. */
  handleEofEvent(): void {
    // Also where it is found again, because the channel has joined its map anew.
    this.#membership.endInput();
    if (this.#membership.eofHandled) return;
    this.#membership.eofHandled = true;
    this.follow(this.handleEof());
  }

  handleCloseEvent(): void {
    // No callback after close, even if a handler goes on using a channel that it has closed.
    if (this.fd < 0) return;
    this.#membership.endInput();
    if (this.#membership.closeHandled) return;
    this.#membership.closeHandled = true;
    this.follow(this.handleClose());
  }

  /** Calls `handleError`. An error that it throws or rejects with leaves the loop. */
  handleErrorEvent(error: unknown): void {
    const result = this.handleError(error);
    if (result !== undefined) this.#membership.follow(this, result, rethrow);
  }

  /** @internal */
  socketError(code: string): OSError {
    const isConnect = this.connecting;
    const { host, port, path } = this.addr ?? {};
    const error = new OSError(code, { syscall: isConnect ? "connect" : "poll", address: host, port, path });
    if (isConnect) {
      // The engine has left this state as well.
      setConnecting(this, false);
      this.#membership.state = State.IDLE;
      this.#membership.opening?.fail(error);
    }
    return error;
  }

  /** @internal */
  sampleInterest(): number {
    const read = this.readable() ? Interest.READ : Interest.NONE;
    return this.writable() && this.#membership.handlesWrite ? read | Interest.WRITE : read;
  }

  /** As asyncore's repr: "<EchoServer listening 127.0.0.1:7007>". */
  toString(): string {
    const parts = [this.constructor.name];
    if (this.accepting && this.addr !== undefined) parts.push("listening");
    else if (this.connected) parts.push("connected");
    if (this.addr !== undefined) parts.push(this.addr.path ?? `${this.addr.host}:${this.addr.port}`);
    return `<${parts.join(" ")}>`;
  }

  /** For `util.inspect` and `console.log`: the class, the state, the addresses, and what has been sent and received. @internal */
  [INSPECT](depth: number, options: InspectOptions, inspect: Inspect): string {
    return inspectChannel(this, this.#membership.isOver, depth, options, inspect);
  }

  // Used by the library's subclasses.

  /** If a callback returned a promise, handles its rejection like an error that the callback throws. */
  protected follow(result: void | Promise<void>): void {
    if (result !== undefined && isThenable(result)) this.#membership.follow(this, result);
  }

  /** Records a connection that `accept` returned. */
  protected noteAccepted(socket: Socket): void {
    const { acceptance } = this.#membership;
    if (acceptance?.isRunning === true) acceptance.give(socket);
  }

  /** Records that `accept` failed: the error is the listener's own. */
  protected noteAcceptFailed(): void {
    const { acceptance } = this.#membership;
    if (acceptance?.isRunning === true) acceptance.noteOwnError();
  }

  /** Until its promise settles, an error of an asynchronous handleAccept belongs to the connections it has accepted. */
  static #followAccept(handler: ChannelHandler, result: void | Promise<void>, acceptance: Acceptance): void {
    if (acceptance.isEmpty || result === undefined) {
      acceptance.end();
      handler.follow(result);
    } else {
      acceptance.defer();
      handler.#membership.acceptance = undefined;
      const settled = Promise.resolve(result).then(() => acceptance.end());
      handler.#membership.follow(handler, settled, (error) => {
        if (!acceptance.fail(error, rethrow)) handleThrown(handler, error, false);
      });
    }
  }

  static {
    membershipOf = (channel) => channel.#membership;
  }
}

ChannelHandler.prototype.debug = false;
ChannelHandler.prototype.closing = false;
ChannelHandler.prototype.connecting = false;
ChannelHandler.prototype.accepting = false;
ChannelHandler.prototype.ignoreLogTypes = sharedSet("warning");

declareLibraryClass(ChannelHandler);
declareSampledMethods(ChannelHandler.prototype, "readable", "writable", "handleWrite");

/** A set that all channels have: none can change it for the others. */
function sharedSet(...values: string[]): ReadonlySet<string> {
  const value = (): never => {
    const message = "this set is shared by all channels: assign a new one to ignoreLogTypes";
    throw Object.assign(new TypeError(message), { code: "ERR_SHARED_SET" });
  };
  return Object.defineProperties(new Set(values), { add: { value }, delete: { value }, clear: { value } });
}

function rethrow(error: unknown): never {
  throw error;
}
