/**
 * Owns `socketMap`, asyncore's: the channels of the module, and its timers. Knows the registry and the timers; knows no
 * handler class. There is one map a module, the engine's, and so no class has a parameter for it.
 */

import { channelCount } from "../engine/channels";
import { monotonicNs } from "../wasi/system";
import { Channel } from "./channel";
import { allChannels, channelOf } from "./registry";
import { Timer, cancelAllTimers, startTimer } from "./timers";

const NS_PER_MS: f64 = 1e6;

export class ChannelMap {
  /** How many channels there are. */
  get size(): i32 {
    return channelCount();
  }

  /** The channel on a descriptor. */
  get(fd: i32): Channel | null {
    return channelOf(fd);
  }

  has(fd: i32): bool {
    return channelOf(fd) !== null;
  }

  /** Channels, in channel order. */
  values(): Channel[] {
    return allChannels();
  }

  /** Milliseconds of the monotonic clock: what `callAt` counts in. */
  now(): f64 {
    return f64(monotonicNs()) / NS_PER_MS;
  }

  /**
   * Calls back once, `delayMs` from now. The callback is a function that needs nothing around it, or an object with
   * `handleTimer`. What fails in it ends the loop.
   */
  callLater<T>(delayMs: f64, callback: T): Timer {
    return startTimer<T>("callLater", delayMs >= 0 ? this.now() + delayMs : NaN, 0, callback);
  }

  /** Calls back once, at a time of {@link now}; at once, in the next turn, when that is past. */
  callAt<T>(timeMs: f64, callback: T): Timer {
    return startTimer<T>("callAt", timeMs, 0, callback);
  }

  /** Calls back every `periodMs`, first in `periodMs` from now. Times that were missed are left out, not made up. */
  callEvery<T>(periodMs: f64, callback: T): Timer {
    return startTimer<T>("callEvery", this.now() + periodMs, periodMs, callback);
  }

  /** Stops every timer. */
  cancelTimers(): void {
    cancelAllTimers();
  }
}

export const socketMap = new ChannelMap();
