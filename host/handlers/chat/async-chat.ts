/**
 * Owns `AsyncChat`, asynchat's `async_chat`: a dispatcher for protocols that talk in messages. Reads into an input buffer,
 * and leaves sending to QueuedDispatcher.
 */

import type { ChannelMap } from "../../loop/channel-map.js";
import { checkInteger } from "../../backend/check.js";
import type { Socket } from "../../net/socket.js";
import { NO_BYTES } from "./bytes.js";
import { Collector } from "./collector.js";
import { InputBuffer, Step } from "./input-buffer.js";
import { declareLibraryClass, declareLibraryMethods } from "../library.js";
import { QueuedDispatcher } from "./queued-dispatcher.js";
import type { Terminator } from "./terminator.js";

const SIZE_MAX = 0x7fffffff;

/**
 * What comes in is passed to `collectIncomingData` until the terminator comes; then `foundTerminator` is called. What goes
 * out is queued. Subclass it and override these two.
 *
 * Names and meanings are those of asynchat.async_chat; docs/asyncore.md lists what differs.
 */
export class AsyncChat extends QueuedDispatcher {
  /** How many bytes one read takes at most. asynchat: ac_in_buffer_size. */
  acInBufferSize = 65_536;
  /** How many bytes a terminator of bytes may be away; more: {@link handleLineTooLong}. Infinity, or 0: no limit. */
  maxLineLength = Infinity;

  readonly #input = new InputBuffer();
  readonly #incoming = new Collector();
  #paused = false;

  /**
   * @param socket a connected socket to take over
   * @param map the map to be in; default `socketMap`
   */
  constructor(socket?: Socket, map?: ChannelMap) {
    super(undefined, map);
    // Not by another constructor: coming into the map needs the fields above.
    if (socket !== undefined) this.setSocket(socket);
  }

  // Callbacks, to be overridden.

  /** A part of a message. `data` is a view of what was read: keep a copy, `data.slice()`, of what is kept for long. */
  collectIncomingData(_data: Uint8Array): void | Promise<void> {
    throw notImplemented("collectIncomingData");
  }

  /**
   * The terminator has come. It may be set anew here; what follows is searched for the new one. An `async` one is not
   * waited for: {@link pauseReading} before the first `await` keeps the next message back.
   */
  foundTerminator(): void | Promise<void> {
    throw notImplemented("foundTerminator");
  }

  /**
   * No terminator came within {@link maxLineLength} bytes; so many were collected. By default, logs that and closes. When
   * it does not close, the rest of the line is left out, `foundTerminator` is not called for it, and the next line
   * comes as usual.
   */
  handleLineTooLong(): void | Promise<void> {
    this.logInfo(`${this} has sent no terminator within ${this.maxLineLength} bytes, closing channel`, "error");
    this.handleCloseEvent();
  }

  /** The peer has ended, or is gone. Closes and logs nothing, as asynchat's does. */
  override handleClose(): void | Promise<void> {
    this.close();
  }

  // What a program asks of the channel.

  /**
   * Sets what ends a message: these bytes; so many bytes; or, with null, 0 or no bytes, nothing, so that
   * `foundTerminator` is never called. A string stands for its UTF-8. asynchat: set_terminator.
   * @throws RangeError for a number that is negative or not whole
   */
  setTerminator(terminator: Terminator): void {
    this.#input.terminator = terminator;
  }

  /** What was set, null before; of a number, how many bytes are still to come. asynchat: get_terminator. */
  getTerminator(): Terminator {
    return this.#input.terminator;
  }

  /** Reads no more, and delivers nothing of what was read, until {@link resumeReading}. */
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
    this.#incoming.clear();
    super.discardBuffers();
  }

  override close(): void {
    this.#paused = false;
    this.#input.reset();
    super.close();
  }

  // What the loop calls.

  override readable(): boolean {
    return !this.#paused;
  }

  override handleRead(): void | Promise<void> {
    const input = this.#input;
    if (!input.hasInput) {
      const data = this.#receive();
      if (data.length === 0) return;
      this.touch();
      input.add(data);
    }
    this.#deliver();
  }

  override addChannel(): void {
    super.addChannel();
    if (this.#input.hasInput) this.continueSoon();
  }

  // asynchat's helpers: a subclass may collect with the first, and take with the second.

  /** Keeps a copy of a part of a message. asynchat: _collect_incoming_data. */
  protected _collectIncomingData(data: Uint8Array): void {
    this.#incoming.add(data);
  }

  /** Everything kept since the last call, in memory of its own. asynchat: _get_data. */
  protected _getData(): Uint8Array {
    return this.#incoming.take();
  }

  protected override continueReading(): void {
    if (!this.#paused && this.#input.hasInput) this.#deliver();
  }

  #receive(): Uint8Array {
    checkInteger("acInBufferSize", this.acInBufferSize, 1, SIZE_MAX);
    try {
      return this.recv(this.acInBufferSize);
    } catch (error) {
      this.handleFailure(error);
      return NO_BYTES;
    }
  }

  /** Delivers what was read, until reading is paused; what a callback that throws leaves undelivered comes later. */
  #deliver(): void {
    const input = this.#input;
    try {
      while (!this.#paused) {
        const step = input.next(this.maxLineLength || Infinity);
        if (step === Step.NOTHING) return;
        if (step === Step.DATA) this.follow(this.collectIncomingData(input.data));
        else if (step === Step.FOUND) this.follow(this.foundTerminator());
        else this.follow(this.handleLineTooLong());
      }
    } finally {
      if (!this.#paused && input.hasInput) this.continueSoon();
    }
  }
}

declareLibraryClass(AsyncChat);
declareLibraryMethods(AsyncChat.prototype.readable);

function notImplemented(name: string): Error {
  const message = `${name}() must be implemented in a subclass of AsyncChat`;
  return Object.assign(new Error(message), { code: "ERR_METHOD_NOT_IMPLEMENTED" });
}
