/**
 * Owns the time since a channel was last active. Knows the map's timers; knows no channel.
 *
 * There is one timer, and activity does not reset it: if it fires too early, it is rearmed for the remaining time.
 */

import type { ChannelMap } from "../../loop/channel-map.js";
import type { Timer } from "../../loop/timer.js";

export class IdleTimer {
  readonly #map: ChannelMap;
  readonly #onIdle: () => void;
  #timeoutMs = 0;
  #busyMs = 0;
  #running = false;
  #timer: Timer | undefined;

  /** @param onIdle called after each timeout period without activity */
  constructor(map: ChannelMap, onIdle: () => void) {
    this.#map = map;
    this.#onIdle = onIdle;
  }

  get timeoutMs(): number {
    return this.#timeoutMs;
  }

  /** 0 and Infinity disable it. The caller has checked it. */
  set timeoutMs(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
    if (this.#running) this.start();
  }

  /** Starts timing. */
  start(): void {
    this.stop();
    this.#running = true;
    if (!this.#isOn) return;
    this.#busyMs = this.#map.now();
    this.#wait(this.#timeoutMs);
  }

  stop(): void {
    this.#running = false;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** Records activity of the channel. */
  touch(): void {
    if (this.#timer !== undefined) this.#busyMs = this.#map.now();
  }

  get #isOn(): boolean {
    return this.#timeoutMs > 0 && this.#timeoutMs < Infinity;
  }

  #wait(delayMs: number): void {
    this.#timer = this.#map.callLater(delayMs, this.#fire);
  }

  readonly #fire = (): void => {
    const leftMs = this.#busyMs + this.#timeoutMs - this.#map.now();
    if (leftMs > 0) {
      this.#wait(leftMs);
      return;
    }
    this.#wait(this.#timeoutMs);
    this.#onIdle();
  };
}
