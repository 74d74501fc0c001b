/**
 * Owns what a chat channel does by the clock: its idle timeout, and going on in the next turn with work that waits for no
 * socket. Knows neither what is sent nor what is read.
 */

import type { ChannelMap } from "../../loop/channel-map.js";
import { handleThrown } from "../../loop/channel.js";
import type { Timer } from "../../loop/timer.js";
import { Dispatcher } from "../dispatcher.js";
import { declareLibraryClass } from "../library.js";
import { IdleTimer } from "./idle-timer.js";

/** A dispatcher with timers of its own; not meant to be used without the classes that `AsyncChat` adds. */
export abstract class TimedDispatcher extends Dispatcher {
  readonly #idle = new IdleTimer(this.map, () => this.#guarded(() => this.handleTimeout()));
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

  /** Nothing has moved for {@link idleTimeoutMs}. By default, logs that and closes; one that does not is called again. */
  handleTimeout(): void | Promise<void> {
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

  override handleConnectEvent(): void | Promise<void> {
    this.touch();
    return super.handleConnectEvent();
  }

  // What the classes above it use.

  /** The channel is not idle. */
  protected touch(): void {
    this.#idle.touch();
  }

  /** Goes on with reading and sending: in the next turn, and so never inside the call that asks for it. */
  protected continueSoon(): void {
    if (this.fd < 0) return;
    this.#continuing ??= this.map.callLater(0, () => {
      this.#continuing = undefined;
      this.#guarded(() => this.continueReading());
      this.#guarded(() => this.continueSending());
    });
  }

  /** Delivers what was read and has not been delivered. */
  protected abstract continueReading(): void;

  /** Sends what need not wait for the socket. */
  protected abstract continueSending(): void;

  /** What a timer's callback throws leaves the loop; what a channel's callback throws goes to handleError. */
  #guarded(call: () => void | Promise<void>): void {
    try {
      this.follow(call());
    } catch (error) {
      handleThrown(this, error, false);
    }
  }
}

declareLibraryClass(TimedDispatcher);
