/**
 * Owns what a channel is told: asyncore's callbacks, what they do where nobody overrides them, and how they come of
 * what the loop calls. Knows the seam in channel.ts, and no more of a socket than that one is handed on.
 *
 * `Dispatcher`, which users extend, is the other half: what a program asks of a channel.
 */

import type { SocketAddress } from "../backend/backend.js";
import type { Channel, ChannelDescription } from "../loop/channel.js";
import { Interest, State } from "../loop/engine.js";
import { OSError } from "../backend/errors.js";
import type { Socket } from "../net/socket.js";
import type { Membership } from "./membership.js";
import { declareOurs } from "./overrides.js";
import { compactTraceback } from "./traceback.js";

/** The callbacks of `Dispatcher`; not made to be used without it. */
export abstract class ChannelHandler implements Channel {
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

  readonly #membership: Membership;
  /** Did the default handleAccept take a connection just now? */
  #mayHaveMore = false;

  /** @internal */
  constructor(membership: Membership) {
    this.#membership = membership;
  }

  // What the other half answers.

  abstract get fd(): number;
  abstract accept(): [socket: Socket, address: SocketAddress] | undefined;
  abstract close(): void;
  abstract describe(): ChannelDescription;

  /** Writes "log: message" to standard error. */
  log(message: string): void {
    process.stderr.write(`log: ${message}\n`);
  }

  /** Writes "type: message" to standard output, unless the type is one of {@link ignoreLogTypes}. */
  logInfo(message: string, type = "info"): void {
    if (!this.ignoreLogTypes.has(type)) process.stdout.write(`${type}: ${message}\n`);
  }

  // What a subclass that overrides them is asked every turn.

  /** Is it to be told when there is something to read? As it is: yes. */
  readable(): boolean {
    return (this.#membership.interest & Interest.READ) !== 0;
  }

  /** Is it to be told when it can write? As it is, where `handleWrite` is overridden; asyncore's says yes, and spins. */
  writable(): boolean {
    return (this.#membership.interest & Interest.WRITE) !== 0;
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
    if (this.#membership.closeTold) this.close();
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
    if (!this.#membership.isMember) return;
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
    if (this.#membership.eofTold) return;
    this.#membership.eofTold = true;
    this.#membership.endInput();
    this.handleEof();
  }

  handleCloseEvent(): void {
    // What a handler does with a channel that it has closed may fail; that is told nobody any more.
    if (this.#membership.closeTold || this.fd < 0) return;
    this.#membership.closeTold = true;
    this.#membership.endInput();
    this.handleClose();
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
    return this.writable() && this.#membership.hearsWrite ? read | Interest.WRITE : read;
  }

  /** As asyncore's repr: "<EchoServer listening 127.0.0.1:7007>". */
  toString(): string {
    const parts = [this.constructor.name];
    if (this.accepting && this.addr !== undefined) parts.push("listening");
    else if (this.connected) parts.push("connected");
    if (this.addr !== undefined) parts.push(this.addr.path ?? `${this.addr.host}:${this.addr.port}`);
    return `<${parts.join(" ")}>`;
  }
}

declareOurs(ChannelHandler.prototype.readable, ChannelHandler.prototype.writable, ChannelHandler.prototype.handleWrite);
