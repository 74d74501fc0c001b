/**
 * Owns the sending half of `AsyncChat`: a dispatcher with an output queue, producers, water marks and an orderly end. Knows
 * nothing of terminators, and leaves its timers to TimedDispatcher.
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

/** What `AsyncChat` sends with; not meant to be used without it. */
export abstract class QueuedDispatcher extends TimedDispatcher {
  /** How many bytes one send is given at most. asynchat: ac_out_buffer_size. */
  acOutBufferSize = 65_536;
  /** At so many bytes of pending output, {@link push} returns false. */
  highWaterMark = 65_536;
  /** When at most so many are left, {@link handleDrain} is called. */
  lowWaterMark = 16_384;

  readonly #out = new Outgoing();
  #needDrain = false;
  /** Did the socket take less than it was given? Then it is full, and a write event comes when it is not. */
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
    // Not by another constructor: coming into the map needs the fields above.
    if (socket !== undefined) this.setSocket(socket);
  }

  /** Bytes of pending output; what a producer has not yet given does not count. */
  get outBufferLength(): number {
    return this.#out.length;
  }

  /** Has {@link push} reached the high water mark, and {@link handleDrain} not been called since? As in Node's streams. */
  get writableNeedDrain(): boolean {
    return this.#needDrain;
  }

  // Callbacks, to be overridden.

  /** The queue had reached the high water mark, and is down to the low one. */
  handleDrain(): void | Promise<void> {}

  // What a program asks of the channel.

  /**
   * Sends what it can, and queues the rest, as a copy: the caller may change `data` afterwards. A string is sent as
   * UTF-8. asynchat: push.
   * @returns whether fewer than {@link highWaterMark} bytes are pending; if not, better wait for {@link handleDrain}.
   * False as well on a channel that is closed: there `data` is dropped.
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
   * Queues what a producer gives: an object with `more()`, an iterable or an async iterable; or what a function returns,
   * which is called at once. It is asked for the next piece only when a send has room for more, and its pieces are not
   * copied. When the channel closes, or its queue is discarded, an iterator's `return` is called, and the signal that the
   * function was given is aborted: an async generator that waits for something can end then. Bare bytes and strings, which
   * asynchat takes as well, are pushed. asynchat: push_with_producer.
   * @throws TypeError for what is no producer; Error ERR_STREAM_WRITE_AFTER_END after {@link endWriting}
   */
  pushWithProducer(producer: ProducerLike | ProducerFunction | Bytes): void {
    if (typeof producer === "string" || producer instanceof Uint8Array) {
      this.push(producer);
      return;
    }
    // A function is not called for nobody.
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

  /** Closes, through `handleClose`, when everything queued before is sent. asynchat: close_when_done. */
  closeWhenDone(): void {
    if (this.#isGone) return;
    this.#out.append("close");
    this.#updateInterest();
  }

  /**
   * Ends the writing half of the connection when everything queued before is sent: the peer reads end of input, and
   * may go on sending. When both halves have ended, `handleClose` is called. shutdown(2), SHUT_WR.
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

  /** Leaves the map and closes the socket; pending output is dropped, and producers are given up. */
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

  // What the loop calls.

  /** Connecting, or something to send. */
  override writable(): boolean {
    return this.connecting || this.#wantsToWrite;
  }

  override handleWrite(): void {
    this.initiateSend();
  }

  override handleConnectEvent(): void | Promise<void> {
    const result = super.handleConnectEvent();
    // What was pushed before there was a connection can be sent now.
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

  // What AsyncChat uses.

  protected override get managesWriting(): boolean {
    return true;
  }

  protected override outputLost(): void {
    super.outputLost();
    this.#clear();
  }

  /** An operation failed. asynchat calls handle_error at once, and goes on. */
  protected handleFailure(error: unknown): void {
    if (!(error instanceof OSError)) throw error;
    handleThrown(this, error, false);
  }

  protected override continueSending(): void {
    if (!this.#blocked && this.#out.isReady) this.initiateSend();
  }

  /** Was it closed, and given no new socket since? */
  get #isGone(): boolean {
    return this.#closed && this.fd < 0;
  }

  get #isBelowLowWater(): boolean {
    return this.#needDrain && this.#out.length <= this.lowWaterMark;
  }

  /** Without a connection nothing can be sent, and a write event would come again and again. */
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
      // What is left then is a producer whose next piece is still to come.
      if (mark === undefined) return;
      if (mark === "close") return this.handleCloseEvent();
      this.#shutdown();
    }
  }

  #transmit(pieces: readonly Uint8Array[]): void {
    const [first] = pieces;
    if (first === undefined) return;
    // A subclass that overrides `send` sees everything that is sent.
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
      // ENOTCONN: the peer is gone, there is nothing left to end, and reading finds that out.
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
