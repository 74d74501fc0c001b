/**
 * Owns the sending half of `AsyncChat`: a dispatcher whose output waits in a queue, with producers, water marks and an
 * orderly end. Knows nothing of terminators, and leaves its timers to TimedDispatcher.
 */

import type { ChannelMap } from "../../loop/channel-map.js";
import { checkInteger } from "../../backend/check.js";
import { BlockingIOError, OSError } from "../../backend/errors.js";
import type { Socket } from "../../net/socket.js";
import { type Bytes, bytesOf } from "./bytes.js";
import { Outgoing } from "./outgoing.js";
import { declareOurs, isOverride } from "../overrides.js";
import { type ProducerLike, openSource } from "./producers.js";
import { TimedDispatcher } from "./timed-dispatcher.js";
import { compactTraceback } from "../traceback.js";

const SIZE_MAX = 0x7fffffff;

/** What `AsyncChat` sends with; not made to be used without it. */
export abstract class QueuedDispatcher extends TimedDispatcher {
  /** How many bytes one send is given at the most. asynchat: ac_out_buffer_size. */
  acOutBufferSize = 65_536;
  /** At so many bytes waiting to be sent, {@link push} says that it is enough. */
  highWaterMark = 65_536;
  /** When no more than so many are left, {@link handleDrain} is called. */
  lowWaterMark = 16_384;

  readonly #out = new Outgoing();
  #needDrain = false;
  /** Did the socket take less than it was given? Then it is full, and will say when it is not. */
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

  /** Bytes that wait to be sent; what a producer has not yet given does not count. */
  get outBufferLength(): number {
    return this.#out.length;
  }

  /** Has {@link push} said that it is enough, and {@link handleDrain} not been called since? As Node's streams have it. */
  get writableNeedDrain(): boolean {
    return this.#needDrain;
  }

  // Callbacks, to be overridden.

  /** The queue had reached the high water mark, and has come down to the low one. */
  handleDrain(): void {}

  // What a program asks of the channel.

  /**
   * Sends what it can, and queues the rest, as a copy: the caller may change `data` afterwards. A string is sent as
   * UTF-8. asynchat: push.
   * @returns whether fewer than {@link highWaterMark} bytes wait now; if not, better wait for {@link handleDrain}.
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
        if (bytes === data) out.own(bytes);
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
   * Queues what a producer gives: an object with `more()`, an iterable or an async iterable. It is asked only when a
   * send has room for more, and its pieces are not copied. When the channel closes, an iterator's `return` is called.
   * Bare bytes and strings, which asynchat takes as well, are pushed.
   * asynchat: push_with_producer.
   * @throws TypeError for what is no producer; Error ERR_STREAM_WRITE_AFTER_END after {@link endWriting}
   */
  pushWithProducer(producer: ProducerLike | Bytes): void {
    if (typeof producer === "string" || producer instanceof Uint8Array) {
      this.push(producer);
      return;
    }
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

  /** Closes, by `handleClose`, when everything queued before is sent. asynchat: close_when_done. */
  closeWhenDone(): void {
    if (this.#isGone) return;
    this.#out.append("close");
    this.#updateInterest();
  }

  /**
   * Ends the writing half of the connection when everything queued before is sent: the peer reads end of input, and
   * may go on sending. When both halves have ended, `handleClose` is told. shutdown(2), SHUT_WR.
   */
  endWriting(): void {
    if (this.#isGone || this.#writing !== "open") return;
    this.#writing = "ending";
    this.#out.append("shutdown");
    this.#updateInterest();
  }

  /** Drops everything that waits to be sent. asynchat: discard_buffers. */
  discardBuffers(): void {
    this.#clear();
    this.#updateInterest();
  }

  /** Sends once, {@link acOutBufferSize} bytes at the most. asynchat: initiate_send. */
  initiateSend(): void {
    try {
      this.#send();
    } finally {
      this.#updateInterest();
    }
  }

  /** Leaves the map and closes the socket; what waits to be sent is dropped, and producers are given up. */
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

  override handleWriteEvent(): void {
    super.handleWriteEvent();
    if (!this.#isDrained) return;
    this.#needDrain = false;
    this.#updateInterest();
    this.handleDrain();
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

  /** An operation failed. asynchat tells handle_error at once, and nobody else. */
  protected tellFailure(error: unknown): void {
    if (error instanceof BlockingIOError) return;
    if (!(error instanceof OSError)) throw error;
    this.handleError(error);
  }

  protected override continueSending(): void {
    if (!this.#blocked && this.#out.isReady) this.initiateSend();
  }

  /** Was it closed, and given no new socket since? */
  get #isGone(): boolean {
    return this.#closed && this.fd < 0;
  }

  get #isDrained(): boolean {
    return this.#needDrain && this.#out.length <= this.lowWaterMark;
  }

  get #wantsToWrite(): boolean {
    return this.#out.isReady || this.#isDrained;
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
      // What is left then is a producer that is waited for.
      if (mark === undefined) return;
      if (mark === "close") return this.handleCloseEvent();
      this.#shutdown();
    }
  }

  #transmit(pieces: readonly Uint8Array[]): void {
    const [first] = pieces;
    if (first === undefined) return;
    // A subclass that overrides `send` is to see everything that is sent.
    const single = pieces.length === 1 || isOverride(this.send);
    const given = single ? first.length : pieces.reduce((length, piece) => length + piece.length, 0);
    let sent = 0;
    try {
      sent = single ? this.send(first) : this.sendPieces(pieces);
    } catch (error) {
      this.tellFailure(error);
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
      this.socket.shutdown("write");
    } catch (error) {
      // ENOTCONN: the peer is gone, there is nothing left to end, and reading will tell.
      if (!(error instanceof OSError && error.code === "ENOTCONN")) this.tellFailure(error);
    }
    if (this.#inputEnded) this.handleCloseEvent();
  }

  #logFailure(error: unknown): void {
    const { type, message, info } = compactTraceback(error);
    this.logInfo(`${this} gave up a producer, which threw (${type}: ${message} ${info})`, "error");
  }
}

declareOurs(QueuedDispatcher.prototype.writable);
