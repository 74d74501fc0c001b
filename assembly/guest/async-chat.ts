/**
 * Owns `AsyncChat`, asynchat's `async_chat`: a dispatcher for protocols that talk in messages. Knows what it reads as an
 * input buffer; what it sends is its base class's business.
 */

import { ERRNO_INVAL, ERRNO_NOSYS } from "../shared/errno";
import { ascii } from "./ascii";
import { endsCallback, raiseErrno } from "./errors";
import { InputBuffer, Step } from "./input-buffer";
import { QueuedDispatcher } from "./queued-dispatcher";
import { Socket } from "./socket";

/**
 * Input is handed to `collectIncomingData` up to the terminator, at which `foundTerminator` is called; output waits in a
 * queue. Subclass it and override these two.
 */
export class AsyncChat extends QueuedDispatcher {
  /** How many bytes one read takes at most; here no more than 65,536. asynchat: ac_in_buffer_size. */
  acInBufferSize: i32 = 65_536;
  /** How many bytes a terminator of bytes may be away; more: {@link handleLineTooLong}. Infinity, or 0: no limit. */
  maxLineLength: f64 = Infinity;

  private _input: InputBuffer = new InputBuffer();
  private _incoming: Uint8Array[] = [];
  private _paused: bool = false;

  /** @param socket a connected socket to take over */
  constructor(socket: Socket | null = null) {
    super();
    // As in the base class: coming into the map needs the fields above.
    if (socket !== null) this.setSocket(socket);
  }

  // Callbacks, to be overridden.

  /** A part of a message. `data` is a view of what was read: keep a copy, `data.slice()`, of what is kept for long. */
  collectIncomingData(_data: Uint8Array): void {
    raiseErrno(ERRNO_NOSYS, "collectIncomingData", "to be overridden");
  }

  /** The terminator has come. It may be set anew here; what follows it is held against the new one. */
  foundTerminator(): void {
    raiseErrno(ERRNO_NOSYS, "foundTerminator", "to be overridden");
  }

  /**
   * No terminator came within {@link maxLineLength} bytes; so many were collected. As it is, logs it and closes. When it
   * does not close, the rest of the line is left out, and the next line comes as ever: discard what was collected, as
   * `_getData` does, or it stands before that line.
   */
  handleLineTooLong(): void {
    const limit = i32(this.maxLineLength).toString();
    this.logInfo(this.toString() + " has sent no terminator within " + limit + " bytes, closing channel", "error");
    this.handleCloseEvent();
  }

  /** The peer has ended, or is gone. Closes, and says nothing, as asynchat's does. */
  override handleClose(): void {
    this.close();
  }

  // What a program asks of the channel.

  /**
   * Says what ends a message: a string or a Uint8Array, these bytes; a whole number, so many bytes; with 0, null or no
   * bytes, nothing, so that `foundTerminator` is never called. asynchat: set_terminator.
   */
  setTerminator<T>(terminator: T): void {
    if (isString<T>()) {
      this._input.endWith(Uint8Array.wrap(String.UTF8.encode(changetype<string>(terminator))));
    } else if (isReference<T>()) {
      if (changetype<usize>(terminator) == 0) this._input.endAfter(0);
      else this._input.endWith(changetype<Uint8Array>(terminator).slice());
    } else {
      const count = i32(terminator);
      if (count < 0 || f64(count) != f64(terminator)) raiseErrno(ERRNO_INVAL, ascii("setTerminator"));
      else this._input.endAfter(count);
    }
  }

  /** Reads no more, and hands on nothing of what was read, until {@link resumeReading}. */
  pauseReading(): void {
    this._paused = true;
    this.setReadInterest(false);
  }

  resumeReading(): void {
    if (!this._paused) return;
    this._paused = false;
    this.setReadInterest(true);
    if (this._input.hasInput) this.continueSoon();
  }

  /** Drops everything read, collected and queued. asynchat: discard_buffers. */
  override discardBuffers(): void {
    this._input.clear();
    this._incoming = [];
    super.discardBuffers();
  }

  override close(): void {
    this._paused = false;
    this._input.reset();
    super.close();
  }

  // What the loop calls.

  override readable(): bool {
    return !this._paused;
  }

  override handleRead(): void {
    const input = this._input;
    if (!input.hasInput) {
      const data = this.recv(max(1, this.acInBufferSize));
      this.tellFailure();
      if (data.length == 0) return;
      this.touch();
      input.add(data);
    }
    this._handOn();
  }

  override addChannel(): void {
    super.addChannel();
    if (this._input.hasInput) this.continueSoon();
  }

  override get className(): string {
    return ascii("AsyncChat");
  }

  // asynchat's helpers: a subclass may collect with the first, and take with the second.

  /** Keeps a part of a message. asynchat: _collect_incoming_data. */
  protected _collectIncomingData(data: Uint8Array): void {
    this._incoming.push(data);
  }

  /** Everything kept since the last call, in memory of its own. asynchat: _get_data. */
  protected _getData(): Uint8Array {
    const pieces = this._incoming;
    this._incoming = [];
    let length = 0;
    for (let i = 0; i < pieces.length; i++) length += pieces[i].length;
    const data = new Uint8Array(length);
    let at = 0;
    for (let i = 0; i < pieces.length; i++) {
      data.set(pieces[i], at);
      at += pieces[i].length;
    }
    return data;
  }

  protected override continueReading(): void {
    if (!this._paused && this._input.hasInput) this._handOn();
  }

  /** Hands on what was read, until nothing is left or reading is paused; after a callback fails, the rest is handed on later. */
  private _handOn(): void {
    const input = this._input;
    const isLimited = this.maxLineLength > 0 && this.maxLineLength < f64(i32.MAX_VALUE);
    const limit = isLimited ? i32(this.maxLineLength) : i32.MAX_VALUE;
    while (!this._paused && !endsCallback()) {
      const step = input.next(limit);
      if (step == Step.NOTHING) return;
      if (step == Step.DATA) this.collectIncomingData(input.data);
      else if (step == Step.FOUND) this.foundTerminator();
      else this.handleLineTooLong();
    }
    if (!this._paused && input.hasInput) this.continueSoon();
  }
}
