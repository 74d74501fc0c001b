/**
 * Owns the sending half of `AsyncChat`: a dispatcher whose output waits in a queue, with producers, water marks and an
 * orderly end; and the time that it is idle. Knows nothing of terminators.
 */

import { ERRNO_INVAL, ERRNO_NOTCONN, ERRNO_PIPE } from "../wasi/errno";
import { shutdownSocket } from "../wasi/system";
import { socketMap } from "./channel-map";
import { Dispatcher } from "./dispatcher";
import { OSError, hasError, raise, raiseErrno, takeError } from "./errors";
import { bytesAt } from "./memory";
import { Mark, Outgoing, Producer } from "./outgoing";
import { Socket } from "./socket";
import { Timer, TimerHandler, startTimer } from "./timers";

/** What the writing half is in. */
namespace Writing {
  export const OPEN: u8 = 0;
  export const ENDING: u8 = 1;
  export const ENDED: u8 = 2;
}

/** `SHUT_WR`. */
const HALF_WRITE: i32 = 2;

/** What `AsyncChat` sends with; not made to be used without it. */
export abstract class QueuedDispatcher extends Dispatcher {
  /** How many bytes one send is given at the most. asynchat: ac_out_buffer_size. */
  acOutBufferSize: i32 = 65_536;
  /** At so many bytes waiting to be sent, {@link push} says that it is enough. */
  highWaterMark: i32 = 65_536;
  /** When no more than so many are left, {@link handleDrain} is called. */
  lowWaterMark: i32 = 16_384;

  private out: Outgoing = new Outgoing();
  private needDrain: bool = false;
  /** Did the socket take less than it was given? Then it is full, and will say when it is not. */
  private blocked: bool = false;
  private wasClosed: bool = false;
  private inputEnded: bool = false;
  private writing: u8 = Writing.OPEN;
  private idleMs: f64 = 0;
  private busyMs: f64 = 0;
  private idleTimer: Timer | null = null;
  /** Goes on, in the next turn, with what waits for no socket. */
  private continuing: Timer | null = null;

  /** @param socket a connected socket to take over */
  constructor(socket: Socket | null = null) {
    super();
    // Not by the constructor of Dispatcher: coming into the map needs the fields above.
    if (socket !== null) this.setSocket(socket);
  }

  /** Bytes that wait to be sent; what a producer has not yet given does not count. */
  get outBufferLength(): i32 {
    return this.out.length;
  }

  /** Has {@link push} said that it is enough, and {@link handleDrain} not been called since? */
  get writableNeedDrain(): bool {
    return this.needDrain;
  }

  /** After so many milliseconds in which nothing moved {@link handleTimeout} is called; 0, the default, or Infinity: never. */
  get idleTimeoutMs(): f64 {
    return this.idleMs;
  }

  set idleTimeoutMs(timeoutMs: f64) {
    if (!(timeoutMs >= 0)) {
      raiseErrno(ERRNO_INVAL, "idleTimeoutMs");
      return;
    }
    this.idleMs = timeoutMs;
    if (this.slot >= 0) this.startIdle();
  }

  // Callbacks, to be overridden.

  /** The queue had reached the high water mark, and has come down to the low one. */
  handleDrain(): void {}

  /** Nothing has moved for {@link idleTimeoutMs}. As it is, logs it and closes; otherwise it is told again. */
  handleTimeout(): void {
    this.logInfo(this.toString() + " was idle for " + this.idleMs.toString() + " ms, closing channel", "error");
    this.handleCloseEvent();
  }

  // What a program asks of the channel.

  /**
   * Sends what it can, and queues the rest, as a copy. A string is sent as UTF-8. asynchat: push.
   * @returns whether fewer than {@link highWaterMark} bytes wait now; false as well on a channel that is closed
   */
  push<T>(data: T): bool {
    if (isString<T>()) {
      const bytes = String.UTF8.encode(changetype<string>(data));
      return this.pushBytes(changetype<usize>(bytes), bytes.byteLength);
    } else {
      const bytes = changetype<Uint8Array>(data);
      return this.pushBytes(bytes.dataStart, bytes.length);
    }
  }

  /** Queues what a producer gives; it is asked only when a send has room for more. asynchat: push_with_producer. */
  pushWithProducer(producer: Producer): void {
    if (!this.mayWrite()) return;
    this.out.pushProducer(producer);
    if (this.blocked) this.updateInterest();
    else this.initiateSend();
  }

  /** Closes, by `handleClose`, when everything queued before is sent. asynchat: close_when_done. */
  closeWhenDone(): void {
    if (this.isGone) return;
    this.out.pushMark(Mark.CLOSE);
    this.updateInterest();
  }

  /**
   * Ends the writing half of the connection when everything queued before is sent: the peer reads end of input, and may
   * go on sending. When both halves have ended, `handleClose` is told. shutdown(2), SHUT_WR.
   */
  endWriting(): void {
    if (this.isGone || this.writing != Writing.OPEN) return;
    this.writing = Writing.ENDING;
    this.out.pushMark(Mark.SHUTDOWN);
    this.updateInterest();
  }

  /** Drops everything that waits to be sent. asynchat: discard_buffers. */
  discardBuffers(): void {
    this.clearOut();
    this.updateInterest();
  }

  /** Sends once, {@link acOutBufferSize} bytes at the most. asynchat: initiate_send. */
  initiateSend(): void {
    this.sendOnce();
    this.updateInterest();
  }

  /** Leaves the map and closes the socket; what waits to be sent is dropped, and producers are given up. */
  override close(): void {
    super.close();
    this.wasClosed = true;
    this.needDrain = false;
    this.inputEnded = false;
    this.writing = Writing.OPEN;
    this.clearOut();
  }

  // What the loop calls.

  /** Connecting, or something to send. */
  override writable(): bool {
    return this.connecting || this.wantsToWrite;
  }

  override handleWrite(): void {
    this.initiateSend();
  }

  override handleWriteEvent(): void {
    super.handleWriteEvent();
    if (!this.isDrained || hasError()) return;
    this.needDrain = false;
    this.updateInterest();
    this.handleDrain();
  }

  override handleConnectEvent(): void {
    this.touch();
    super.handleConnectEvent();
  }

  override handleEofEvent(): void {
    this.inputEnded = true;
    super.handleEofEvent();
    if (this.writing == Writing.ENDED) this.handleCloseEvent();
  }

  override addChannel(): void {
    this.updateInterest();
    super.addChannel();
    this.startIdle();
  }

  override delChannel(): void {
    super.delChannel();
    this.stopIdle();
    const continuing = this.continuing;
    if (continuing !== null) continuing.cancel();
    this.continuing = null;
  }

  /** A timer of the channel's own has fired. What fails is the channel's error, and does not end the loop. */
  handleOwnTimer(isIdle: bool): void {
    if (isIdle) this.checkIdle();
    else this.goOn();
    this.tellFailure();
  }

  // What AsyncChat uses.

  protected override get managesWriting(): bool {
    return true;
  }

  protected override outputLost(): void {
    super.outputLost();
    this.clearOut();
  }

  /** The channel is not idle. */
  protected touch(): void {
    if (this.idleTimer !== null) this.busyMs = socketMap.now();
  }

  /** If an operation failed: asynchat tells handle_error at once, and nobody else. */
  protected tellFailure(): void {
    const error = takeError();
    if (error !== null) this.handleError(error);
  }

  /** Calls {@link continueReading}, and sends: in the next turn, and so never inside the call of whoever wants it. */
  protected continueSoon(): void {
    if (this.fd < 0 || this.continuing !== null) return;
    this.continuing = startTimer<TimerHandler>("continueSoon", 0, 0, new OwnTimer(this, false));
  }

  /** Hands on what was read and not handed on. */
  protected abstract continueReading(): void;

  /** Was it closed, and given no new socket since? */
  private get isGone(): bool {
    return this.wasClosed && this.fd < 0;
  }

  private get isDrained(): bool {
    return this.needDrain && this.out.length <= this.lowWaterMark;
  }

  private get wantsToWrite(): bool {
    return !this.out.isEmpty || this.isDrained;
  }

  private mayWrite(): bool {
    if (this.writing == Writing.OPEN) return !this.isGone;
    raise(new OSError(ERRNO_PIPE, "push", "nothing can be pushed after endWriting()"));
    return false;
  }

  private pushBytes(at: usize, length: i32): bool {
    if (!this.mayWrite()) return false;
    this.out.push(at, length);
    if (!this.connected || this.blocked) this.updateInterest();
    else this.initiateSend();
    if (this.out.length < this.highWaterMark) return !this.isGone;
    this.needDrain = true;
    return false;
  }

  private updateInterest(): void {
    this.setWriteInterest(this.wantsToWrite);
  }

  private clearOut(): void {
    this.blocked = false;
    if (this.writing == Writing.ENDING) this.writing = Writing.OPEN;
    this.out.clear();
  }

  private sendOnce(): void {
    const out = this.out;
    const size = max(1, this.acOutBufferSize);
    this.blocked = false;
    while (this.connected && !out.isEmpty) {
      out.fill(size);
      if (out.readyLength > 0) {
        this.transmit(min(out.readyLength, size));
        return;
      }
      const mark = out.takeMark();
      if (mark == Mark.CLOSE) this.handleCloseEvent();
      else if (mark == Mark.SHUTDOWN) this.endHalf();
      if (mark != Mark.SHUTDOWN) return;
    }
  }

  private transmit(length: i32): void {
    const out = this.out;
    // A subclass that overrides `send` is to see everything that is sent.
    const sent = this.overridesSend ? this.send(bytesAt(out.start, length)) : this.sendBytes(out.start, length);
    this.tellFailure();
    if (sent > 0) {
      this.touch();
      out.drop(sent);
    }
    this.blocked = sent < length && !out.isEmpty;
  }

  private endHalf(): void {
    this.writing = Writing.ENDED;
    const result = shutdownSocket(this.fd, HALF_WRITE);
    // ENOTCONN: the peer is gone, there is nothing left to end, and reading will tell.
    if (result < 0 && result != -ERRNO_NOTCONN) raiseErrno(-result, "shutdown");
    this.tellFailure();
    if (this.inputEnded) this.handleCloseEvent();
  }

  private goOn(): void {
    this.continuing = null;
    this.continueReading();
    this.tellFailure();
    if (this.fd >= 0 && !this.blocked && !this.out.isEmpty) this.initiateSend();
  }

  /** The idle timer has gone off: too early, if the channel was busy since it was set. */
  private checkIdle(): void {
    const now = socketMap.now();
    const leftMs = this.busyMs + this.idleMs - now;
    this.waitIdle(leftMs > 0 ? leftMs : this.idleMs);
    if (leftMs > 0) return;
    this.busyMs = now;
    this.handleTimeout();
  }

  private startIdle(): void {
    this.stopIdle();
    if (this.idleMs <= 0 || this.idleMs == Infinity) return;
    this.busyMs = socketMap.now();
    this.waitIdle(this.idleMs);
  }

  private stopIdle(): void {
    const timer = this.idleTimer;
    if (timer !== null) timer.cancel();
    this.idleTimer = null;
  }

  private waitIdle(delayMs: f64): void {
    this.idleTimer = startTimer<TimerHandler>("idleTimeoutMs", socketMap.now() + delayMs, 0, new OwnTimer(this, true));
  }
}

class OwnTimer implements TimerHandler {
  private channel: QueuedDispatcher;
  private isIdle: bool;

  constructor(channel: QueuedDispatcher, isIdle: bool) {
    this.channel = channel;
    this.isIdle = isIdle;
  }

  handleTimer(): void {
    this.channel.handleOwnTimer(this.isIdle);
  }
}
