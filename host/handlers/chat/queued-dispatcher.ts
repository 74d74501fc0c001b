/**
 * Owns what a program asks of a chat channel's output: pushes, producers, water marks and an orderly close. Knows nothing
 * of terminators, and leaves sending to SendingDispatcher.
 */

import type { ChannelMap } from "../../loop/channel-map.js";
import { checkLimit } from "../../backend/check.js";
import { OSError } from "../../backend/errors.js";
import type { Socket } from "../../net/socket.js";
import { type Bytes, bytesOf } from "./bytes.js";
import { membershipOf } from "../channel-handler.js";
import { declareLibraryClass } from "../library.js";
import type { Mark } from "./outgoing.js";
import { type ProducerFunction, type ProducerLike, openSource } from "./producers.js";
import { SendingDispatcher } from "./sending-dispatcher.js";

/** The sending half of `AsyncChat`; not meant to be used without it. */
export abstract class QueuedDispatcher extends SendingDispatcher {
  /** Bytes of pending output from which {@link push} returns false; default 64 KiB. */
  declare highWaterMark: number;
  /** Bytes of pending output down to which it must fall before {@link handleDrain} is called; default 16 KiB. */
  declare lowWaterMark: number;

  #needDrain = false;
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
   * @throws TypeError for anything but bytes and strings; Error ERR_STREAM_WRITE_AFTER_END after {@link endWriting}; RangeError
   * or TypeError where a water mark is negative or no number, when `data` has been queued
   */
  push(data: Bytes): boolean {
    return QueuedDispatcher.#push(this, data);
  }

  /**
   * Queues the output of a producer: an object with `more()`, an iterable or an async iterable, or a function that returns
   * one and is called at once. The next piece is requested only when a send has room for more, and pieces are not copied.
   * When the channel closes, or its queue is discarded, an iterator's `return` is called, and the signal passed to the
   * function is aborted, so that a waiting async generator can end. Bare bytes and strings, which asynchat takes as well,
   * are queued, without a call of {@link push}, which may be overridden. asynchat: push_with_producer.
   * @throws TypeError for anything but a producer, bytes or a string; Error ERR_STREAM_WRITE_AFTER_END after {@link endWriting}
   */
  pushWithProducer(producer: ProducerLike | ProducerFunction | Bytes): void {
    if (typeof producer === "string" || producer instanceof Uint8Array) {
      QueuedDispatcher.#push(this, producer);
      return;
    }
    // On a closed channel, the function is not called.
    if (typeof producer === "function" && !QueuedDispatcher.#mayWrite(this)) return;
    const source = openSource(
      producer,
      () => this.continueSoon(),
      (error) => this.logCancelled(error),
    );
    if (!QueuedDispatcher.#mayWrite(this)) {
      source.close();
      return;
    }
    this.append(source);
  }

  /**
   * Closes, through `handleClose`, once everything already queued is sent, or cannot be sent any more. May be called in
   * `handleClose` itself. asynchat: close_when_done.
   */
  closeWhenDone(): void {
    if (!QueuedDispatcher.#isGone(this)) this.append("close");
  }

  /**
   * Ends the writing half of the connection once everything already queued is sent: the peer reads end of input, and may
   * keep sending. When both halves have ended, `handleClose` is called. shutdown(2), SHUT_WR.
   */
  endWriting(): void {
    if (QueuedDispatcher.#isGone(this) || this.#writing !== "open") return;
    this.#writing = "ending";
    this.append("shutdown");
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
      this.discardOutput();
    }
  }

  // Called by the loop.

  override handleConnectEvent(): void | Promise<void> {
    const result = super.handleConnectEvent();
    // Output pushed before the connection was established can be sent now.
    if (this.connected) this.updateInterest();
    return result;
  }

  override handleWriteEvent(): void | Promise<void> {
    const result = super.handleWriteEvent();
    if (QueuedDispatcher.#isBelowLowWater(this)) {
      this.#needDrain = false;
      this.updateInterest();
      this.follow(this.handleDrain());
    }
    return result;
  }

  override handleEofEvent(): void {
    this.#inputEnded = true;
    super.handleEofEvent();
    if (this.#writing === "ended") this.handleCloseEvent();
  }

  // Used by the library's classes.

  protected override get wantsToWrite(): boolean {
    return super.wantsToWrite || (QueuedDispatcher.#isBelowLowWater(this) && (this.connected || this.connecting));
  }

  protected override discardOutput(): void {
    if (this.#writing === "ending") this.#writing = "open";
    super.discardOutput();
  }

  protected override forgetOutput(): void {
    super.forgetOutput();
    this.#needDrain = false;
    this.#inputEnded = false;
    this.#writing = "open";
  }

  protected override act(mark: Mark): boolean {
    if (mark === "shutdown") QueuedDispatcher.#shutdown(this);
    // One that handleClose itself has queued.
    else if (membershipOf(this).closeHandled) this.close();
    else this.handleCloseEvent();
    return mark === "shutdown";
  }

  /** Has the channel been closed, with no new socket since? */
  static #isGone(channel: QueuedDispatcher): boolean {
    return channel.#closed && channel.fd < 0;
  }

  static #isBelowLowWater(channel: QueuedDispatcher): boolean {
    return channel.#needDrain && channel.outBufferLength <= channel.lowWaterMark;
  }

  static #push(channel: QueuedDispatcher, data: Bytes): boolean {
    const bytes = bytesOf("data", data);
    if (!QueuedDispatcher.#mayWrite(channel)) return false;
    channel.output(bytes);
    if (channel.outBufferLength < channel.highWaterMark) return !QueuedDispatcher.#isGone(channel);
    // Only here: a mark that is no number, or below 0, is never above what is pending.
    checkLimit("highWaterMark", channel.highWaterMark);
    checkLimit("lowWaterMark", channel.lowWaterMark);
    channel.#needDrain = true;
    return false;
  }

  static #mayWrite(channel: QueuedDispatcher): boolean {
    if (channel.#writing === "open") return !QueuedDispatcher.#isGone(channel);
    throw Object.assign(new Error("nothing can be pushed after endWriting()"), { code: "ERR_STREAM_WRITE_AFTER_END" });
  }

  static #shutdown(channel: QueuedDispatcher): void {
    channel.#writing = "ended";
    try {
      channel.endOutput();
    } catch (error) {
      // ENOTCONN: the peer is gone, so there is nothing left to end; a read will find out.
      if (!(error instanceof OSError && error.code === "ENOTCONN")) channel.handleFailure(error);
    }
    if (channel.#inputEnded) channel.handleCloseEvent();
  }
}

QueuedDispatcher.prototype.highWaterMark = 65_536;
QueuedDispatcher.prototype.lowWaterMark = 16_384;

declareLibraryClass(QueuedDispatcher);
