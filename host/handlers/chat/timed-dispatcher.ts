/**
 * Owns what a chat channel does by the clock and not by its socket: the time that it is idle, and going on in the next
 * turn with what waits for no socket. Knows neither what is sent nor what is read.
 */

import type { ChannelMap } from "../../loop/channel-map.js";
import { tellThrown } from "../../loop/channel.js";
import type { Timer } from "../../loop/timer.js";
import { Dispatcher } from "../dispatcher.js";
import { IdleTimer } from "./idle-timer.js";

/** A dispatcher with timers of its own; not made to be used without the classes that `AsyncChat` adds. */
export abstract class TimedDispatcher extends Dispatcher {
  readonly #idle = new IdleTimer(this.map, () => this.#guarded(this.handleTimeout));
  #continuing: Timer | undefined;

  /** @param map the map to be in; default `socketMap` */
  constructor(map?: ChannelMap) {
    super(undefined, map);
  }

  /**
   * After so many milliseconds in which nothing was received and nothing could be sent, {@link handleTimeout} is
   * called; 0, the default, or Infinity: never. The time begins when the channel comes into the map.
   */
  get idleTimeoutMs(): number {
    return this.#idle.timeoutMs;
  }

  set idleTimeoutMs(timeoutMs: number) {
    this.#idle.timeoutMs = timeoutMs;
  }

  /** Nothing has moved for {@link idleTimeoutMs}. As it is, logs it and closes; otherwise it is told again. */
  handleTimeout(): void {
    this.logInfo(`${this} was idle for ${this.idleTimeoutMs} ms, closing channel`, "error");
    this.handleCloseEvent();
  }

  override addChannel(): void {
    super.addChannel();
    this.#idle.start();
  }

  override delChannel(): void {
    super.delChannel();
    this.#idle.stop();
    this.#continuing?.cancel();
    this.#continuing = undefined;
  }

  override handleConnectEvent(): void {
    this.touch();
    super.handleConnectEvent();
  }

  // What the classes above it use.

  /** The channel is not idle. */
  protected touch(): void {
    this.#idle.touch();
  }

  /** Goes on with reading and sending: in the next turn, and so never inside the call of whoever wants it. */
  protected continueSoon(): void {
    if (this.fd < 0) return;
    this.#continuing ??= this.map.callLater(0, () => {
      this.#continuing = undefined;
      this.#guarded(this.continueReading);
      this.#guarded(this.continueSending);
    });
  }

  /** Hands on what was read and not handed on. */
  protected abstract continueReading(): void;

  /** Sends what waits for no socket. */
  protected abstract continueSending(): void;

  /** What a timer's callback throws leaves the loop; what a channel's callback throws is told handleError. */
  #guarded(method: (this: this) => void): void {
    try {
      method.call(this);
    } catch (error) {
      tellThrown(this, error, false);
    }
  }
}
