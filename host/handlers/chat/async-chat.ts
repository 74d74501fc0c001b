/**
 * Owns `AsyncChat`, asynchat's `async_chat`: a dispatcher for message-based protocols. Reads into an input buffer, and
 * leaves sending to QueuedDispatcher.
 */

import type { ChannelMap } from "../../loop/channel-map.js";
import { checkBytes, checkInteger, checkLimit } from "../../backend/check.js";
import type { Socket } from "../../net/socket.js";
import { NO_BYTES } from "./bytes.js";
import { Collector } from "./collector.js";
import { InputBuffer, Step } from "./input-buffer.js";
import { declareLibraryClass, declareSampledMethods } from "../library.js";
import { QueuedDispatcher } from "./queued-dispatcher.js";
import { messagesOf } from "../streams/messages.js";
import type { Terminator } from "./terminator.js";

const SIZE_MAX = 0x7fffffff;

/**
 * Input is passed to `collectIncomingData` until the terminator arrives; then `foundTerminator` is called. Output is
 * queued. Subclass it and override these two callbacks.
 *
 * Names and meanings are those of asynchat.async_chat; docs/asyncore.md lists what differs.
 */
export class AsyncChat extends QueuedDispatcher {
  /** Maximum number of bytes per read; default 64 KiB. asynchat: ac_in_buffer_size. */
  declare acInBufferSize: number;
  /** Maximum bytes before a terminator of bytes; beyond it, {@link handleLineTooLong} is called. Infinity, the default, or 0: no limit. */
  declare maxLineLength: number;

  readonly #input = new InputBuffer();
  /** What has been collected; undefined if that is nothing. */
  #incoming: Collector | undefined;
  #paused = false;

  /**
   * @param socket a connected socket to take over
   * @param map the map to be in; default `socketMap`
   */
  constructor(socket?: Socket, map?: ChannelMap) {
    super(undefined, map);
    // Without callbacks there is nobody to read for, until an iterator or a stream is.
    if (new.target === AsyncChat) this.pauseReading();
    // Not done by the base constructor: joining the map needs the fields above.
    if (socket !== undefined) this.setSocket(socket);
  }

  // Callbacks, to be overridden.

  /**
   * Part of a message has arrived. `data` is a view of the read buffer: to keep it for long, copy it, `data.slice()`.
   * @example override collectIncomingData(data: Uint8Array) { this._collectIncomingData(data); }
   */
  collectIncomingData(_data: Uint8Array): void | Promise<void> {
    throw notImplemented("collectIncomingData");
  }

  /**
   * The terminator has arrived. A new one may be set here, and applies to the input that follows. An `async` callback is
   * not waited for: call {@link pauseReading} before the first `await` to hold back the next message.
   * @example override foundTerminator() { this.push(`you said ${Buffer.from(this._getData())}\r\n`); }
   */
  foundTerminator(): void | Promise<void> {
    throw notImplemented("foundTerminator");
  }

  /**
   * No terminator arrived within {@link maxLineLength} bytes, which have been collected. By default, logs this and closes.
   * If an override does not close, the rest of the line is discarded without a call of `foundTerminator`, and the next
   * line is delivered as usual. The override must discard what was collected, as `_getData` does: otherwise it stands
   * before the next line.
   * @example override handleLineTooLong() { this.push("500 Line too long\r\n"); this.closeWhenDone(); }
   */
  handleLineTooLong(): void | Promise<void> {
    this.logInfo(`${this} has sent no terminator within ${this.maxLineLength} bytes, closing channel`, "error");
    this.handleCloseEvent();
  }

  /** The connection is over, or lost. Closes without logging, as asynchat does. */
  override handleClose(): void | Promise<void> {
    this.close();
  }

  // Called by a program.

  /**
   * Sets what ends a message: a sequence of bytes; a number of bytes; or, with null, 0 or no bytes, nothing, so that
   * `foundTerminator` is never called. A string is encoded as UTF-8. asynchat: set_terminator.
   * @throws RangeError for a number that is negative or not an integer
   */
  setTerminator(terminator: Terminator): void {
    this.#input.terminator = terminator;
  }

  /** The terminator, initially null; for a number, how many bytes are still to come. asynchat: get_terminator. */
  getTerminator(): Terminator {
    return this.#input.terminator;
  }

  /** Stops reading, and holds back input already read, until {@link resumeReading}. */
  pauseReading(): void {
    this.#paused = true;
    this.setReadInterest(false);
  }

  resumeReading(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.setReadInterest(true);
    if (this.#input.hasInput) this.continueSoon();
  }

  /** Drops everything read, collected and queued. asynchat: discard_buffers. */
  override discardBuffers(): void {
    this.#input.clear();
    this.#incoming = undefined;
    super.discardBuffers();
  }

  /**
   * The messages, without their terminators, one at a time: `for await (const message of chat)`. A terminator that is set
   * for one message applies to the next; without a terminator, the input as it arrives. Ends at end of input, where what
   * follows the last terminator is the last message, unless the terminator is a number. See `Dispatcher` for errors.
   *
   * The input goes to iterators from then on: `collectIncomingData`, `foundTerminator`, `handleEof`, `handleClose` and
   * `handleError` are not called any more.
   */
  override [Symbol.asyncIterator](): AsyncIterableIterator<Buffer> {
    return messagesOf(this, {
      collect: (data) => this._collectIncomingData(data),
      take: () => this._getData(),
      resume: () => AsyncChat.#resumeNow(this),
    });
  }

  override close(): void {
    this.#paused = false;
    this.#input.reset();
    super.close();
  }

  // Called by the loop.

  override readable(): boolean {
    return !this.#paused;
  }

  override handleRead(): void | Promise<void> {
    const input = this.#input;
    if (!input.hasInput) {
      const data = AsyncChat.#receive(this);
      if (data.length === 0) return;
      this.touch();
      input.add(data);
    }
    AsyncChat.#deliver(this);
  }

  override addChannel(): void {
    super.addChannel();
    if (this.#input.hasInput) this.continueSoon();
  }

  // asynchat's helpers: a subclass may collect data with the first and take it with the second.

  /** Keeps a copy of a part of a message. asynchat: _collect_incoming_data. */
  _collectIncomingData(data: Uint8Array): void {
    checkBytes("data", data);
    (this.#incoming ??= new Collector()).add(data);
  }

  /** Takes everything collected since the last call, as a copy. asynchat: _get_data. */
  _getData(): Uint8Array {
    const incoming = this.#incoming;
    this.#incoming = undefined;
    return incoming?.take() ?? new Uint8Array(0);
  }

  protected override dropPlainInput(): void {
    this.#input.clear();
    this.#incoming = undefined;
  }

  protected override continueReading(): void {
    if (!this.#paused && this.#input.hasInput) AsyncChat.#deliver(this);
  }

  /** Resumes reading, and delivers what has been read already within the call, rather than in the next turn. */
  static #resumeNow(channel: AsyncChat): void {
    if (channel.#input.hasInput) {
      channel.#paused = false;
      channel.continueNow();
      // Paused again by the message, most of the time: then nothing is watched meanwhile.
      if (!channel.#paused && channel.fd >= 0) channel.setReadInterest(true);
    } else {
      channel.resumeReading();
    }
  }

  static #receive(channel: AsyncChat): Uint8Array {
    checkInteger("acInBufferSize", channel.acInBufferSize, 1, SIZE_MAX);
    try {
      return channel.recv(channel.acInBufferSize);
    } catch (error) {
      channel.handleFailure(error);
      return NO_BYTES;
    }
  }

  /** Delivers input until reading is paused. If a callback throws, the rest is delivered later. */
  static #deliver(channel: AsyncChat): void {
    const input = channel.#input;
    try {
      while (!channel.#paused) {
        const { maxLineLength } = channel;
        const step = input.next(maxLineLength > 0 ? maxLineLength : unlimited(maxLineLength));
        if (step === Step.NOTHING) return;
        if (step === Step.DATA) channel.follow(channel.collectIncomingData(input.data));
        else if (step === Step.FOUND) channel.follow(channel.foundTerminator());
        else channel.follow(channel.handleLineTooLong());
      }
    } finally {
      if (!channel.#paused && input.hasInput) channel.continueSoon();
    }
  }
}

AsyncChat.prototype.acInBufferSize = 65_536;
AsyncChat.prototype.maxLineLength = Infinity;

declareLibraryClass(AsyncChat);
declareSampledMethods(AsyncChat.prototype, "readable");

/** @param maxLineLength what is not above 0. @throws RangeError, TypeError unless it is 0 */
function unlimited(maxLineLength: unknown): number {
  checkLimit("maxLineLength", maxLineLength);
  return Infinity;
}

function notImplemented(name: string): Error {
  const message = `${name}() must be implemented in a subclass of AsyncChat`;
  return Object.assign(new Error(message), { code: "ERR_METHOD_NOT_IMPLEMENTED" });
}
