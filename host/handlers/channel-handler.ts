/**
 * Owns a channel's callbacks: asyncore's callbacks, their default behaviour, and which of them each event of the loop
 * calls. Knows the seam in channel.ts, and a socket only as something to pass on.
 *
 * `Dispatcher`, which users extend, is the other half: the operations that a program calls on a channel.
 */

import type { SocketAddress } from "../backend/backend.js";
import { type Channel, type ChannelDescription, handleThrown, isThenable } from "../loop/channel.js";
import { Interest, State } from "../loop/engine.js";
import { OSError } from "../backend/errors.js";
import { writeLog } from "../backend/log.js";
import { compactTraceback } from "../backend/traceback.js";
import type { Socket } from "../net/socket.js";
import { Acceptance } from "./acceptance.js";
import { declareLibraryClass, declareLibraryMethods } from "./library.js";
import type { Membership } from "./membership.js";

/**
 * The callbacks of `Dispatcher`; not meant to be used without it.
 *
 * A callback may be `async`. The loop does not wait for it: further events are delivered while its promise is pending.
 * A rejection is handled like an error that a callback throws.
 */
export abstract class ChannelHandler implements Channel {
  /** For subclasses; this class does not use it. asyncore: debug. */
  debug = false;
  /** Is the channel connected? Set by this class. */
  connected = false;
  /** Is a connect in progress? Set by this class. */
  connecting = false;
  /** Is the channel listening? Set by this class. */
  accepting = false;
  /** For subclasses; this class does not use it. asyncore: closing. */
  closing = false;
  /** The address passed to `bind` or `connect`, or the peer's address. */
  addr: SocketAddress | undefined;
  /** Types of message that {@link logInfo} does not log. */
  ignoreLogTypes: ReadonlySet<string> = new Set(["warning"]);

  readonly #membership: Membership;
  /** Has the default handleAccept accepted a connection in this call? */
  #mayHaveMore = false;
  /** Set while handleAccept is being called: the connections it has accepted. */
  #isAccepting = false;
  #acceptance: Acceptance | undefined;

  /** @internal */
  constructor(membership: Membership) {
    this.#membership = membership;
  }

  // Implemented by the other half.

  abstract get fd(): number;
  abstract accept(): [socket: Socket, address: SocketAddress] | undefined;
  abstract close(): void;
  abstract describe(): ChannelDescription;

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

  /** Does the channel want read events? By default, yes. */
  readable(): boolean {
    return (this.#membership.interest & Interest.READ) !== 0;
  }

  /** Does the channel want write events? By default, only if `handleWrite` is overridden; asyncore says yes, and spins. */
  writable(): boolean {
    return (this.#membership.interest & Interest.WRITE) !== 0;
  }

  // Callbacks, to be overridden.

  handleRead(): void | Promise<void> {
    this.logInfo("unhandled read event", "warning");
  }

  handleWrite(): void | Promise<void> {
    this.logInfo("unhandled write event", "warning");
  }

  /** Out-of-band data has arrived. */
  handleExpt(): void | Promise<void> {
    this.logInfo("unhandled incoming priority event", "warning");
  }

  handleConnect(): void | Promise<void> {
    this.logInfo("unhandled connect event", "warning");
  }

  /**
   * A connection is waiting. By default, accepts it and passes it to {@link handleAccepted}, and is called again until no
   * connection is waiting. An error thrown after `accept` belongs to the connection: the channel that has taken it over
   * gets the error in its handleError; if none has, the connection is closed and the error logged. The listener goes on.
   */
  handleAccept(): void | Promise<void> {
    const accepted = this.accept();
    this.#mayHaveMore = accepted !== undefined;
    return accepted === undefined ? undefined : this.handleAccepted(...accepted);
  }

  handleAccepted(socket: Socket, _address: SocketAddress): void | Promise<void> {
    socket.close();
    this.logInfo("unhandled accepted event", "warning");
  }

  /**
   * The peer has sent its last byte; it may still read. By default, calls {@link handleClose}, as in asyncore. Override it
   * to keep writing, and close when done.
   */
  handleEof(): void | Promise<void> {
    this.handleCloseEvent();
  }

  /** The connection is over, or lost. Called at most once for each socket taken over. */
  handleClose(): void | Promise<void> {
    this.logInfo("unhandled close event", "warning");
    this.close();
  }

  /** A callback threw, or the socket has an error. By default, logs it and closes. An error thrown here leaves the loop. */
  handleError(error: unknown): void | Promise<void> {
    const { type, message, info } = compactTraceback(error);
    this.logInfo(`uncaptured exception, closing channel ${this} (${type}: ${message} ${info})`, "error");
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
    this.follow(this.handleConnect());
    if (!this.#membership.isMember) return;
    this.connected = true;
    this.connecting = false;
    this.#membership.opening?.open();
  }

  handleAcceptEvent(): boolean {
    this.#mayHaveMore = false;
    this.#isAccepting = true;
    this.#acceptance = undefined;
    try {
      const result = this.handleAccept();
      this.#followAccept(result, this.#acceptance);
    } catch (error) {
      const acceptance = this.#acceptance as Acceptance | undefined;
      if (acceptance?.fail(error, (thrown) => this.#membership.leaveLoop(thrown)) !== true) throw error;
    } finally {
      this.#isAccepting = false;
      this.#acceptance = undefined;
    }
    return this.#mayHaveMore;
  }

  /** A stream has reached end of input: calls `handleEof`, once for each socket taken over. */
  handleEofEvent(): void {
    if (this.#membership.eofHandled) return;
    this.#membership.eofHandled = true;
    this.#membership.endInput();
    this.follow(this.handleEof());
  }

  handleCloseEvent(): void {
    // No callback after close, even if a handler goes on using a channel that it has closed.
    if (this.#membership.closeHandled || this.fd < 0) return;
    this.#membership.closeHandled = true;
    this.#membership.endInput();
    this.follow(this.handleClose());
  }

  /** Calls `handleError`. An error that it throws or rejects with leaves the loop. */
  handleErrorEvent(error: unknown): void {
    const result = this.handleError(error);
    if (result !== undefined) this.#membership.follow(this, result, rethrow);
  }

  socketError(code: string): OSError {
    const isConnect = this.connecting;
    const { host, port, path } = this.addr ?? {};
    const error = new OSError(code, { syscall: isConnect ? "connect" : "poll", address: host, port, path });
    if (isConnect) {
      // The engine has left this state as well.
      this.connecting = false;
      this.#membership.state = State.IDLE;
      this.#membership.opening?.fail(error);
    }
    return error;
  }

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

  // Used by the library's subclasses.

  /** If a callback returned a promise, handles its rejection like an error that the callback throws. */
  protected follow(result: void | Promise<void>): void {
    if (result !== undefined && isThenable(result)) this.#membership.follow(this, result);
  }

  /** Records a connection that `accept` returned. */
  protected noteAccepted(socket: Socket): void {
    if (!this.#isAccepting) return;
    this.#acceptance ??= new Acceptance(this);
    this.#acceptance.give(socket);
  }

  /** Records that `accept` failed: the error is the listener's own. */
  protected noteAcceptFailed(): void {
    this.#acceptance?.noteOwnError();
  }

  /** Until its promise settles, an error of an asynchronous handleAccept belongs to the connections it has accepted. */
  #followAccept(result: void | Promise<void>, acceptance: Acceptance | undefined): void {
    if (acceptance === undefined) {
      this.follow(result);
    } else if (result === undefined) {
      acceptance.end();
    } else {
      const settled = Promise.resolve(result).finally(() => acceptance.end());
      this.#membership.follow(this, settled, (error) => {
        if (!acceptance.fail(error, rethrow)) handleThrown(this, error, false);
      });
    }
  }
}

declareLibraryClass(ChannelHandler);
declareLibraryMethods(
  ChannelHandler.prototype.readable,
  ChannelHandler.prototype.writable,
  ChannelHandler.prototype.handleWrite,
);

function rethrow(error: unknown): never {
  throw error;
}
