/**
 * Owns a channel's callbacks: asyncore's, what they do by default, and how they follow from the events that the loop
 * delivers. Knows the seam in channel.ts, and a socket only as something to pass on.
 *
 * `Dispatcher`, which users extend, is the other half: what a program asks of a channel.
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
 * A callback may be `async`. It is not waited for: the next event is delivered while its promise is pending. What the
 * promise rejects with is handled as what a callback throws.
 */
export abstract class ChannelHandler implements Channel {
  /** For subclasses; this class does not use it. asyncore: debug. */
  debug = false;
  /** Is there a connection? Set by this class. */
  connected = false;
  /** Is a connection being made? Set by this class. */
  connecting = false;
  /** Is it listening? Set by this class. */
  accepting = false;
  /** For subclasses; this class does not use it. asyncore: closing. */
  closing = false;
  /** The address given to `bind` or `connect`, or the peer's. */
  addr: SocketAddress | undefined;
  /** Kinds of message that {@link logInfo} leaves out. */
  ignoreLogTypes: ReadonlySet<string> = new Set(["warning"]);

  readonly #membership: Membership;
  /** Has the default handleAccept taken a connection in this call? */
  #mayHaveMore = false;
  /** Is handleAccept being called? And what has it accepted? */
  #isAccepting = false;
  #acceptance: Acceptance | undefined;

  /** @internal */
  constructor(membership: Membership) {
    this.#membership = membership;
  }

  // What the other half answers.

  abstract get fd(): number;
  abstract accept(): [socket: Socket, address: SocketAddress] | undefined;
  abstract close(): void;
  abstract describe(): ChannelDescription;

  /**
   * Resolves when the channel is closed; never rejects. A socket that is taken over after that begins a new life, with a
   * promise of its own.
   */
  get closed(): Promise<void> {
    return this.#membership.lifetime.closed;
  }

  /** Aborted when the channel is closed, for asynchronous work on its behalf. A new life has one of its own. */
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

  // Sampled every turn where a subclass overrides them.

  /** Does it want read events? By default: yes. */
  readable(): boolean {
    return (this.#membership.interest & Interest.READ) !== 0;
  }

  /** Does it want write events? By default, if `handleWrite` is overridden; asyncore's default is yes, and spins. */
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

  /** There is out-of-band data. */
  handleExpt(): void | Promise<void> {
    this.logInfo("unhandled incoming priority event", "warning");
  }

  handleConnect(): void | Promise<void> {
    this.logInfo("unhandled connect event", "warning");
  }

  /**
   * A connection is waiting. By default, accepts it and passes it to {@link handleAccepted}, and is called again until none
   * is waiting. What is thrown after `accept` belongs to the connection: the channel that has taken it over gets it in its
   * handleError; a connection that none has taken over is closed, and the error logged. The listener goes on.
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
   * The peer has sent its last byte; it may still read. By default that closes, as in asyncore: {@link handleClose}.
   * Override it to go on writing, and close when that is done.
   */
  handleEof(): void | Promise<void> {
    this.handleCloseEvent();
  }

  /** The peer has ended, or is gone. Called at most once for each socket taken over. */
  handleClose(): void | Promise<void> {
    this.logInfo("unhandled close event", "warning");
    this.close();
  }

  /** A callback threw, or the socket has an error. By default, logs it and closes. What it throws leaves the loop. */
  handleError(error: unknown): void | Promise<void> {
    const { type, message, info } = compactTraceback(error);
    this.logInfo(`uncaptured exception, closing channel ${this} (${type}: ${message} ${info})`, "error");
    if (this.#membership.closeHandled) this.close();
    else this.handleCloseEvent();
  }

  // What the loop calls; a subclass that puts a layer of its own in between overrides these.

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

  /** A stream has come to the end of its input: calls `handleEof`, once for each socket taken over. */
  handleEofEvent(): void {
    if (this.#membership.eofHandled) return;
    this.#membership.eofHandled = true;
    this.#membership.endInput();
    this.follow(this.handleEof());
  }

  handleCloseEvent(): void {
    // No callback after close, not even for what a handler does with a channel that it has closed.
    if (this.#membership.closeHandled || this.fd < 0) return;
    this.#membership.closeHandled = true;
    this.#membership.endInput();
    this.follow(this.handleClose());
  }

  /** Calls `handleError`. What it throws, or rejects with, leaves the loop. */
  handleErrorEvent(error: unknown): void {
    const result = this.handleError(error);
    if (result !== undefined) this.#membership.follow(this, result, rethrow);
  }

  socketError(code: string): OSError {
    const syscall = this.connecting ? "connect" : "poll";
    if (this.connecting) {
      // The engine has left that state as well.
      this.connecting = false;
      this.#membership.state = State.IDLE;
    }
    return new OSError(code, { syscall, address: this.addr?.host, port: this.addr?.port, path: this.addr?.path });
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

  // What the library's subclasses use.

  /** Handles what the promise of a callback rejects with as what the callback throws. */
  protected follow(result: void | Promise<void>): void {
    if (result !== undefined && isThenable(result)) this.#membership.follow(this, result);
  }

  /** `accept` has this connection. */
  protected noteAccepted(socket: Socket): void {
    if (!this.#isAccepting) return;
    this.#acceptance ??= new Acceptance(this);
    this.#acceptance.give(socket);
  }

  /** `accept` has failed: that is the listener's own error. */
  protected noteAcceptFailed(): void {
    this.#acceptance?.noteOwnError();
  }

  /** Until its promise is settled, what an asynchronous handleAccept fails with belongs to what it has accepted. */
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
