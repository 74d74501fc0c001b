/**
 * Owns what a chat channel does by the clock and not by its socket: the time that it is idle, and going on in the next
 * turn with what waits for no socket. Knows neither what is sent nor what is read.
 */

import { ERRNO_INVAL } from "../shared/errno";
import { ascii } from "./ascii";
import { socketMap } from "./channel-map";
import { Dispatcher } from "./dispatcher";
import { raiseErrno, takeError } from "./errors";
import { Timer, TimerHandler, startTimer } from "./timers";

/** A dispatcher with timers of its own; not made to be used without the classes that `AsyncChat` adds. */
export abstract class TimedDispatcher extends Dispatcher {
  private _idleMs: f64 = 0;
  private _busyMs: f64 = 0;
  private _idleTimer: Timer | null = null;
  private _continuing: Timer | null = null;

  /** After so many milliseconds in which nothing moved {@link handleTimeout} is called; 0, the default, or Infinity: never. */
  get idleTimeoutMs(): f64 {
    return this._idleMs;
  }

  set idleTimeoutMs(timeoutMs: f64) {
    if (!(timeoutMs >= 0)) {
      raiseErrno(ERRNO_INVAL, ascii("idleTimeoutMs"));
      return;
    }
    this._idleMs = timeoutMs;
    if (this._slot >= 0) this._startIdle();
  }

  /** Nothing has moved for {@link idleTimeoutMs}. By default, logs it and closes; an override that leaves it open is called again. */
  handleTimeout(): void {
    this.logInfo(this.toString() + " was idle for " + millisecondsText(this._idleMs) + " ms, closing channel", "error");
    this.handleCloseEvent();
  }

  override addChannel(): void {
    super.addChannel();
    this._startIdle();
  }

  override delChannel(): void {
    super.delChannel();
    this._stopIdle();
    const continuing = this._continuing;
    if (continuing !== null) continuing.cancel();
    this._continuing = null;
  }

  override handleConnectEvent(): void {
    this.touch();
    super.handleConnectEvent();
  }

  /** A timer of the channel's own has fired. What fails is the channel's error, and does not end the loop. */
  _handleOwnTimer(isIdle: bool): void {
    if (isIdle) this._checkIdle();
    else this._goOn();
    this.tellFailure();
  }

  // What the classes above it use.

  /** The channel is not idle. */
  protected touch(): void {
    if (this._idleTimer !== null) this._busyMs = socketMap.now();
  }

  /** If an operation failed: as asynchat, calls handleError at once, and nothing else. */
  protected tellFailure(): void {
    const error = takeError();
    if (error !== null) this.handleError(error);
  }

  /** Goes on with reading and sending: in the next turn, and so never inside the call of whoever wants it. */
  protected continueSoon(): void {
    if (this.fd < 0 || this._continuing !== null) return;
    this._continuing = startTimer<TimerHandler>("continueSoon", 0, 0, new OwnTimer(this, false));
  }

  /** Hands on what was read and not handed on. */
  protected abstract continueReading(): void;

  /** Sends what waits for no socket. */
  protected abstract continueSending(): void;

  private _goOn(): void {
    this._continuing = null;
    this.continueReading();
    this.tellFailure();
    this.continueSending();
  }

  /** The idle timer has gone off: too early, if the channel was busy since it was set. */
  private _checkIdle(): void {
    const now = socketMap.now();
    const leftMs = this._busyMs + this._idleMs - now;
    this._waitIdle(leftMs > 0 ? leftMs : this._idleMs);
    if (leftMs > 0) return;
    this._busyMs = now;
    this.handleTimeout();
  }

  private _startIdle(): void {
    this._stopIdle();
    if (this._idleMs <= 0 || this._idleMs == Infinity) return;
    this._busyMs = socketMap.now();
    this._waitIdle(this._idleMs);
  }

  private _stopIdle(): void {
    const timer = this._idleTimer;
    if (timer !== null) timer.cancel();
    this._idleTimer = null;
  }

  private _waitIdle(delayMs: f64): void {
    this._idleTimer = startTimer<TimerHandler>("idleTimeoutMs", socketMap.now() + delayMs, 0, new OwnTimer(this, true));
  }
}

/** A whole number without the ".0" that AssemblyScript writes behind it, as on Node. */
function millisecondsText(ms: f64): string {
  return ms == Math.floor(ms) ? ms.toString().slice(0, -2) : ms.toString();
}

class OwnTimer implements TimerHandler {
  private channel: TimedDispatcher;
  private isIdle: bool;

  constructor(channel: TimedDispatcher, isIdle: bool) {
    this.channel = channel;
    this.isIdle = isIdle;
  }

  handleTimer(): void {
    this.channel._handleOwnTimer(this.isIdle);
  }
}
