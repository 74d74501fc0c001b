/**
 * Owns a chat channel's timers: its idle timeout, and work deferred to the next turn because it need not wait for the
 * socket. Knows neither the output nor the input.
 */

import { checkMs } from "../../backend/check.js";
import type { ChannelMap } from "../../loop/channel-map.js";
import { handleThrown } from "../../loop/channel.js";
import type { Timer } from "../../loop/timer.js";
import { Dispatcher } from "../dispatcher.js";
import { declareLibraryClass } from "../library.js";
import { IdleTimer } from "./idle-timer.js";

/** A dispatcher with timers of its own; not meant to be used without the classes that `AsyncChat` adds. */
export abstract class TimedDispatcher extends Dispatcher {
  /** Made when a timeout is set. */
  #idle: IdleTimer | undefined;
  #continuing: Timer | undefined;

  /** @param map the map to be in; default `socketMap` */
  constructor(map?: ChannelMap) {
    super(undefined, map);
  }

  /**
   * {@link handleTimeout} is called after this many milliseconds in which nothing was received and nothing could be sent;
   * never if it is 0, the default, or Infinity. The time starts when the channel joins the map.
   */
  get idleTimeoutMs(): number {
    return this.#idle?.timeoutMs ?? 0;
  }

  set idleTimeoutMs(timeoutMs: number) {
    checkMs("idleTimeoutMs", timeoutMs, true);
    if (this.#idle === undefined) {
      if (timeoutMs === 0) return;
      this.#idle = new IdleTimer(this.map, () => TimedDispatcher.#guarded(this, () => this.handleTimeout()));
      if (this.fd >= 0 && this.map.get(this.fd) === this) this.#idle.start();
    }
    this.#idle.timeoutMs = timeoutMs;
  }

  /**
   * The channel was idle for {@link idleTimeoutMs}. By default, logs this and closes; if not closed, it is called again.
   * @example override handleTimeout() { this.push("421 Idle for too long\r\n"); this.closeWhenDone(); }
   */
  handleTimeout(): void | Promise<void> {
    this.logInfo(`${this} was idle for ${this.idleTimeoutMs} ms, closing channel`, "error");
    this.handleCloseEvent();
  }

  override addChannel(): void {
    super.addChannel();
    this.#idle?.start();
  }

  override delChannel(): void {
    super.delChannel();
    this.#idle?.stop();
    this.#continuing?.cancel();
    this.#continuing = undefined;
  }

  override handleConnectEvent(): void | Promise<void> {
    this.touch();
    return super.handleConnectEvent();
  }

  // Used by the subclasses.

  /** Records that the channel is not idle. */
  protected touch(): void {
    this.#idle?.touch();
  }

  /** Schedules reading and sending for the next turn, so they never run inside the call that requests them. */
  protected continueSoon(): void {
    if (this.fd < 0) return;
    this.#continuing ??= this.map.callLater(0, () => {
      this.#continuing = undefined;
      TimedDispatcher.#guarded(this, () => this.continueReading());
      TimedDispatcher.#guarded(this, () => this.continueSending());
    });
  }

  /** Delivers input within the call: for what takes it one message at a time, and is no callback. */
  protected continueNow(): void {
    TimedDispatcher.#guarded(this, () => this.continueReading());
  }

  /** Delivers input that was read and not yet delivered. */
  protected abstract continueReading(): void;

  /** Sends output that need not wait for the socket. */
  protected abstract continueSending(): void;

  /** An error from a timer's callback leaves the loop; one from a channel's callback goes to handleError. */
  static #guarded(channel: TimedDispatcher, call: () => void | Promise<void>): void {
    try {
      channel.follow(call());
    } catch (error) {
      handleThrown(channel, error, false);
    }
  }
}

declareLibraryClass(TimedDispatcher);
