/**
 * Owns the sending half of `AsyncChat`: a dispatcher with an output queue, producers, water marks and an orderly close.
 * Knows nothing of terminators, and leaves its timers to TimedDispatcher.
 */

import { handleThrown } from "../../loop/channel.js";
import type { ChannelMap } from "../../loop/channel-map.js";
import { checkInteger } from "../../backend/check.js";
import { OSError } from "../../backend/errors.js";
import type { Socket } from "../../net/socket.js";
import { type Bytes, bytesOf } from "./bytes.js";
import { declareLibraryClass, declareLibraryMethods, isOverride } from "../library.js";
import { Outgoing } from "./outgoing.js";
import { type ProducerFunction, type ProducerLike, openSource } from "./producers.js";
import { TimedDispatcher } from "./timed-dispatcher.js";
import { logThrown } from "../../backend/log.js";
import { compactTraceback } from "../../backend/traceback.js";

const SIZE_MAX = 0x7fffffff;

/** The sending half of `AsyncChat`; not meant to be used without it. */
export abstract class QueuedDispatcher extends TimedDispatcher {
  /** Maximum number of bytes per send. asynchat: ac_out_buffer_size. */
  acOutBufferSize = 65_536;
  /** Bytes of pending output from which {@link push} returns false. */
  highWaterMark = 65_536;
  /** Bytes of pending output down to which it must fall before {@link handleDrain} is called. */
  lowWaterMark = 16_384;

  readonly #out = new Outgoing();
  #needDrain = false;
  /** Did the last send take only part of its bytes? Then the socket is full, and a write event follows when it has room. */
  #blocked = false;
  #closed = false;
  #inputEnded = false;
  #writing: "open" | "ending" | "ended" = "open";

  /**
   * @param socket a connected socket to take over
   * @param map the map to be in; default `socketMap`
   */
  constructor(socket?: Socket, map?: ChannelMap) {
    super(map);
    // Not done by the base constructor: joining the map needs the fields above.
    if (socket !== undefined) this.setSocket(socket);
  }

  /** Bytes of pending output; pieces that a producer has not yet returned do not count. */
  get outBufferLength(): number {
    return this.#out.length;
  }

  /** Has pending output reached the high water mark, with no {@link handleDrain} since? As in Node's streams. */
  get writableNeedDrain(): boolean {
    return this.#needDrain;
  }

  // Callbacks, to be overridden.

  /**
   * Pending output had reached the high water mark, and has fallen to the low one.
   * @example override handleDrain() { this.source.resume(); }
   */
  handleDrain(): void | Promise<void> {}

  // Called by a program.

  /**
   * Sends what it can, and queues a copy of the rest: the caller may change `data` afterwards. A string is sent as UTF-8.
   * asynchat: push.
   * @returns whether fewer than {@link highWaterMark} bytes are pending; if not, it is best to wait for
   * {@link handleDrain}. Also false on a closed channel, which drops `data`.
   * @throws TypeError for anything but bytes and strings; Error ERR_STREAM_WRITE_AFTER_END after {@link endWriting}
   */
  push(data: Bytes): boolean {
    const bytes = bytesOf("data", data);
    if (!this.#mayWrite()) return false;
    const out = this.#out;
    if (!this.connected || this.#blocked) {
      out.push(bytes);
      this.#updateInterest();
    } else if (out.isEmpty) {
      out.lend(bytes);
      try {
        this.initiateSend();
      } finally {
        if (typeof data !== "string") out.own(bytes);
      }
    } else {
      out.push(bytes);
      this.initiateSend();
    }
    if (out.length < this.highWaterMark) return !this.#isGone;
    this.#needDrain = true;
    return false;
  }

  /**
   * Queues the output of a producer: an object with `more()`, an iterable or an async iterable, or a function that returns
   * one and is called at once. The next piece is requested only when a send has room for more, and pieces are not copied.
   * When the channel closes, or its queue is discarded, an iterator's `return` is called, and the signal passed to the
   * function is aborted, so that a waiting async generator can end. Bare bytes and strings, which asynchat takes as well,
   * are pushed. asynchat: push_with_producer.
   * @throws TypeError for anything but a producer, bytes or a string; Error ERR_STREAM_WRITE_AFTER_END after {@link endWriting}
   */
  pushWithProducer(producer: ProducerLike | ProducerFunction | Bytes): void {
    if (typeof producer === "string" || producer instanceof Uint8Array) {
      this.push(producer);
      return;
    }
    // On a closed channel, the function is not called.
    if (typeof producer === "function" && !this.#mayWrite()) return;
    const source = openSource(
      producer,
      () => this.continueSoon(),
      (error) => this.#logFailure(error),
    );
    if (!this.#mayWrite()) {
      source.close();
      return;
    }
    this.#out.append(source);
    if (this.#blocked) this.#updateInterest();
    else this.initiateSend();
  }

  /** Closes, through `handleClose`, once everything already queued is sent. asynchat: close_when_done. */
  closeWhenDone(): void {
    if (this.#isGone) return;
    this.#out.append("close");
    this.#updateInterest();
  }

  /**
   * Ends the writing half of the connection once everything already queued is sent: the peer reads end of input, and may
   * keep sending. When both halves have ended, `handleClose` is called. shutdown(2), SHUT_WR.
   */
  endWriting(): void {
    if (this.#isGone || this.#writing !== "open") return;
    this.#writing = "ending";
    this.#out.append("shutdown");
    this.#updateInterest();
  }

  /** Drops all pending output. asynchat: discard_buffers. */
  discardBuffers(): void {
    this.#clear();
    this.#updateInterest();
  }

  /** Sends once, at most {@link acOutBufferSize} bytes. asynchat: initiate_send. */
  initiateSend(): void {
    try {
      this.#send();
    } finally {
      this.#updateInterest();
    }
  }

  /** Leaves the map and closes the socket; pending output is dropped, and producers are cancelled. */
  override close(): void {
    try {
      super.close();
    } finally {
      this.#closed = true;
      this.#needDrain = false;
      this.#inputEnded = false;
      this.#writing = "open";
      this.#clear();
    }
  }

  // Called by the loop.

  /** True while connecting, or with output to send. */
  override writable(): boolean {
    return this.connecting || this.#wantsToWrite;
  }

  override handleWrite(): void {
    this.initiateSend();
  }

  override handleConnectEvent(): void | Promise<void> {
    const result = super.handleConnectEvent();
    // Output pushed before the connection was established can be sent now.
    if (this.connected) this.#updateInterest();
    return result;
  }

  override handleWriteEvent(): void | Promise<void> {
    const result = super.handleWriteEvent();
    if (this.#isBelowLowWater) {
      this.#needDrain = false;
      this.#updateInterest();
      this.follow(this.handleDrain());
    }
    return result;
  }

  override handleEofEvent(): void {
    this.#inputEnded = true;
    super.handleEofEvent();
    if (this.#writing === "ended") this.handleCloseEvent();
  }

  override addChannel(): void {
    this.#updateInterest();
    super.addChannel();
  }

  // Used by AsyncChat.

  protected override get managesWriting(): boolean {
    return true;
  }

  protected override outputLost(): void {
    super.outputLost();
    this.#clear();
  }

  /** Handles a failed operation. asynchat calls handle_error at once, and goes on. */
  protected handleFailure(error: unknown): void {
    if (!(error instanceof OSError)) throw error;
    handleThrown(this, error, false);
  }

  protected override continueSending(): void {
    if (!this.#blocked && this.#out.isReady) this.initiateSend();
  }

  /** Has the channel been closed, with no new socket since? */
  get #isGone(): boolean {
    return this.#closed && this.fd < 0;
  }

  get #isBelowLowWater(): boolean {
    return this.#needDrain && this.#out.length <= this.lowWaterMark;
  }

  /** Without a connection nothing can be sent, and write events would repeat endlessly. */
  get #wantsToWrite(): boolean {
    return (this.connected || this.connecting) && (this.#out.isReady || this.#isBelowLowWater);
  }

  #mayWrite(): boolean {
    if (this.#writing === "open") return !this.#isGone;
    throw Object.assign(new Error("nothing can be pushed after endWriting()"), { code: "ERR_STREAM_WRITE_AFTER_END" });
  }

  #updateInterest(): void {
    this.setWriteInterest(this.#wantsToWrite);
  }

  #clear(): void {
    this.#blocked = false;
    if (this.#writing === "ending") this.#writing = "open";
    this.#out.clear();
  }

  #send(): void {
    const out = this.#out;
    checkInteger("acOutBufferSize", this.acOutBufferSize, 1, SIZE_MAX);
    this.#blocked = false;
    while (this.connected && !out.isEmpty) {
      out.fill(this.acOutBufferSize);
      if (out.readyLength > 0) return this.#transmit(out.front(this.acOutBufferSize));
      const mark = out.takeMark();
      // What remains is a producer whose next piece is not ready yet.
      if (mark === undefined) return;
      if (mark === "close") return this.handleCloseEvent();
      this.#shutdown();
    }
  }

  #transmit(pieces: readonly Uint8Array[]): void {
    const [first] = pieces;
    if (first === undefined) return;
    // Goes through `send`, so that a subclass that overrides it sees all output.
    const single = pieces.length === 1 || isOverride(this.send);
    const given = single ? first.length : pieces.reduce((length, piece) => length + piece.length, 0);
    let sent = 0;
    try {
      sent = single ? this.send(first) : this.sendPieces(pieces);
    } catch (error) {
      this.handleFailure(error);
    }
    if (sent > 0) {
      this.touch();
      this.#out.drop(sent);
    }
    this.#blocked = sent < given && !this.#out.isEmpty;
  }

  #shutdown(): void {
    this.#writing = "ended";
    try {
      this.endOutput();
    } catch (error) {
      // ENOTCONN: the peer is gone, so there is nothing left to end; a read will find out.
      if (!(error instanceof OSError && error.code === "ENOTCONN")) this.handleFailure(error);
    }
    if (this.#inputEnded) this.handleCloseEvent();
  }

  #logFailure(error: unknown): void {
    const { type, message, info } = compactTraceback(error);
    try {
      this.logInfo(`${this} gave up a producer, which threw (${type}: ${message} ${info})`, "error");
    } catch (thrown) {
      logThrown("uncaptured exception while logging", thrown);
    }
  }
}

declareLibraryClass(QueuedDispatcher);
declareLibraryMethods(QueuedDispatcher.prototype.writable);
