/**
 * Owns the sending half of `AsyncChat`: a dispatcher whose output waits in a queue, with producers, water marks and an
 * orderly end. Knows nothing of terminators, and leaves its timers to TimedDispatcher.
 */

import { ERRNO_NOTCONN, ERRNO_PIPE } from "../shared/errno";
import { shutdownSocket } from "../wasi/system";
import { ascii } from "./ascii";
import { OSError, hasError, raise, raiseErrno } from "./errors";
import { bytesAt } from "./memory";
import { Mark, Outgoing, Producer } from "./outgoing";
import { Socket } from "./socket";
import { TimedDispatcher } from "./timed-dispatcher";

/** What the writing half is in. */
namespace Writing {
  export const OPEN: u8 = 0;
  export const ENDING: u8 = 1;
  export const ENDED: u8 = 2;
}

/** `SHUT_WR`. */
const HALF_WRITE: i32 = 2;

/** What `AsyncChat` sends with; not made to be used without it. */
export abstract class QueuedDispatcher extends TimedDispatcher {
  /** How many bytes one send is given at most. asynchat: ac_out_buffer_size. */
  acOutBufferSize: i32 = 65_536;
  /** At so many bytes waiting to be sent, {@link push} says that it is enough. */
  highWaterMark: i32 = 65_536;
  /** When no more than so many are left, {@link handleDrain} is called. */
  lowWaterMark: i32 = 16_384;

  private _out: Outgoing = new Outgoing();
  private _needDrain: bool = false;
  /** Did the socket take less than it was given? Then it is full, and will say when it is not. */
  private _blocked: bool = false;
  private _closed: bool = false;
  private _inputEnded: bool = false;
  private _writing: u8 = Writing.OPEN;

  /** @param socket a connected socket to take over */
  constructor(socket: Socket | null = null) {
    super();
    // Not by another constructor: coming into the map needs the fields above.
    if (socket !== null) this.setSocket(socket);
  }

  /**
   * Bytes of pending output; what a producer has not yet given does not count. In `handleClose`, what was still to be sent,
   * unless the channel was closed before.
   */
  get outBufferLength(): i32 {
    return this._out.length;
  }

  /**
   * Is output pending: bytes, a producer that has not ended, or a close or an end of writing that waits for them? In
   * `handleClose`, whether something was still to be sent, unless the channel was closed before.
   * asynchat: len(producer_fifo) > 0.
   */
  get hasPendingOutput(): bool {
    return !this._out.isEmpty;
  }

  /** Has {@link push} said that it is enough, and {@link handleDrain} not been called since? */
  get writableNeedDrain(): bool {
    return this._needDrain;
  }

  // Callbacks, to be overridden.

  /** The queue had reached the high water mark, and has come down to the low one. */
  handleDrain(): void {}

  // What a program asks of the channel.

  /**
   * Sends what it can, and queues the rest, as a copy. A string is sent as UTF-8. asynchat: push.
   * @returns whether fewer than {@link highWaterMark} bytes wait now; false as well on a channel that is closed
   */
  push<T>(data: T): bool {
    if (isString<T>()) {
      const bytes = String.UTF8.encode(changetype<string>(data));
      return this._pushBytes(changetype<usize>(bytes), bytes.byteLength);
    } else {
      const bytes = changetype<Uint8Array>(data);
      return this._pushBytes(bytes.dataStart, bytes.length);
    }
  }

  /** Queues what a producer gives; it is called only when a send has room for more. asynchat: push_with_producer. */
  pushWithProducer(producer: Producer): void {
    if (!this._mayWrite()) return;
    this._out.pushProducer(producer);
    if (this._blocked) this._updateInterest();
    else this.initiateSend();
  }

  /** Closes, by `handleClose`, when everything queued before is sent. May be called in `handleClose` itself. asynchat: close_when_done. */
  closeWhenDone(): void {
    if (this._isGone) return;
    this._out.pushMark(Mark.CLOSE);
    this._updateInterest();
  }

  /**
   * Ends the writing half of the connection when everything queued before is sent: the peer reads end of input, and may
   * go on sending. When both halves have ended, `handleClose` is called. shutdown(2), SHUT_WR.
   */
  endWriting(): void {
    if (this._isGone || this._writing != Writing.OPEN) return;
    this._writing = Writing.ENDING;
    this._out.pushMark(Mark.SHUTDOWN);
    this._updateInterest();
  }

  /** Drops everything that waits to be sent. asynchat: discard_buffers. */
  discardBuffers(): void {
    this._clear();
    this._updateInterest();
  }

  /** Sends once, at most {@link acOutBufferSize} bytes. asynchat: initiate_send. */
  initiateSend(): void {
    this._send();
    this._updateInterest();
  }

  /** Leaves the map and closes the socket; what waits to be sent is dropped, and producers are given up. */
  override close(): void {
    super.close();
    this._closed = true;
    this._needDrain = false;
    this._inputEnded = false;
    this._writing = Writing.OPEN;
    this._clear();
  }

  // What the loop calls.

  /** Connecting, or something to send. */
  override writable(): bool {
    return this.connecting || this._wantsToWrite;
  }

  override handleWrite(): void {
    this.initiateSend();
  }

  override handleWriteEvent(): void {
    super.handleWriteEvent();
    if (!this._isDrained || hasError()) return;
    this._needDrain = false;
    this._updateInterest();
    this.handleDrain();
  }

  override handleEofEvent(): void {
    this._inputEnded = true;
    super.handleEofEvent();
    if (this._writing == Writing.ENDED) this.handleCloseEvent();
  }

  override addChannel(): void {
    this._updateInterest();
    super.addChannel();
  }

  // What AsyncChat uses.

  protected override get managesWriting(): bool {
    return true;
  }

  protected override forgetOutput(): void {
    this._clear();
    this._needDrain = false;
    this._inputEnded = false;
    this._writing = Writing.OPEN;
  }

  protected override dropOutput(): void {
    const closes = this._out.hasClose;
    this._clear();
    if (closes) this._closeNow();
  }

  protected override continueSending(): void {
    if (this.fd >= 0 && !this._blocked && !this._out.isEmpty) this.initiateSend();
  }

  /** Was it closed, and given no new socket since? */
  private get _isGone(): bool {
    return this._closed && this.fd < 0;
  }

  private get _isDrained(): bool {
    return this._needDrain && this._out.length <= this.lowWaterMark;
  }

  private get _wantsToWrite(): bool {
    return !this._out.isEmpty || this._isDrained;
  }

  private _mayWrite(): bool {
    if (this._writing == Writing.OPEN) return !this._isGone;
    raise(new OSError(ERRNO_PIPE, "push", "nothing can be pushed after endWriting()"));
    return false;
  }

  private _pushBytes(at: usize, length: i32): bool {
    if (!this._mayWrite()) return false;
    this._out.push(at, length);
    if (!this.connected || this._blocked) this._updateInterest();
    else this.initiateSend();
    if (this._out.length < this.highWaterMark) return !this._isGone;
    this._needDrain = true;
    return false;
  }

  private _updateInterest(): void {
    this.setWriteInterest(this._wantsToWrite);
  }

  private _clear(): void {
    this._blocked = false;
    if (this._writing == Writing.ENDING) this._writing = Writing.OPEN;
    this._out.clear();
  }

  private _send(): void {
    const out = this._out;
    const size = max(1, this.acOutBufferSize);
    this._blocked = false;
    while (this.connected && !out.isEmpty) {
      // Where a producer fails, the error is the caller's, and what it gave before is sent in the next turn.
      if (!out.fill(size)) return;
      if (out.readyLength > 0) {
        this._transmit(min(out.readyLength, size));
        return;
      }
      const mark = out.takeMark();
      if (mark == Mark.CLOSE) this._closeNow();
      else if (mark == Mark.SHUTDOWN) this._shutdown();
      if (mark != Mark.SHUTDOWN) return;
    }
  }

  private _closeNow(): void {
    // handleClose itself may have queued the close.
    if (this._closeHandled) this.close();
    else this.handleCloseEvent();
  }

  private _transmit(length: i32): void {
    const out = this._out;
    // A subclass that overrides `send` is to see everything that is sent.
    const sent = this.overridesSend ? this.send(bytesAt(out.start, length)) : this._sendBytes(out.start, length);
    this.tellFailure();
    if (sent > 0) {
      this.touch();
      out.drop(sent);
    }
    this._blocked = sent < length && !out.isEmpty;
  }

  private _shutdown(): void {
    this._writing = Writing.ENDED;
    const result = shutdownSocket(this.fd, HALF_WRITE);
    // ENOTCONN: the peer is gone, there is nothing left to end, and reading reports it.
    if (result < 0 && result != -ERRNO_NOTCONN) raiseErrno(-result, ascii("shutdown"));
    this.tellFailure();
    if (this._inputEnded) this.handleCloseEvent();
  }
}
