/**
 * Owns the time since a channel was last busy. Knows the map's timers; knows no channel.
 *
 * There is one timer, and being busy does not move it: when it goes off too early, it is set anew for what is left.
 */

import type { ChannelMap } from "../../loop/channel-map.js";
import { checkMs } from "../../backend/check.js";
import type { Timer } from "../../loop/timer.js";

export class IdleTimer {
  readonly #map: ChannelMap;
  readonly #onIdle: () => void;
  #timeoutMs = 0;
  #busyMs = 0;
  #running = false;
  #timer: Timer | undefined;

  /** @param onIdle called when nothing was noted for the time, and again after each such time */
  constructor(map: ChannelMap, onIdle: () => void) {
    this.#map = map;
    this.#onIdle = onIdle;
  }

  get timeoutMs(): number {
    return this.#timeoutMs;
  }

  /** 0 and Infinity switch it off. */
  set timeoutMs(timeoutMs: number) {
    checkMs("idleTimeoutMs", timeoutMs, true);
    this.#timeoutMs = timeoutMs;
    if (this.#running) this.start();
  }

  /** Begins to count. */
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

  /** The channel was busy just now. */
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
