/** Owns what a timer calls, and its handle. Knows nothing of how timers are kept. */

/** What a timer calls where a function is not enough: in a guest, a function cannot know anything around it. */
export interface TimerHandler {
  /** The time has come. What it throws, or its promise rejects with, leaves the loop. */
  handleTimer(): void | Promise<void>;
}

/** A function, or an object with `handleTimer`. Guests want the object's class to say `implements TimerHandler`. */
export type TimerCallback = (() => void) | TimerHandler;

/** A timer started with `callLater`, `callAt` or `callEvery`. */
export interface Timer {
  /** Is it still to fire? */
  readonly active: boolean;
  /** Stops it. @returns false where it had fired or was stopped already. */
  cancel(): boolean;
  /** The same, for `using`. */
  [Symbol.dispose](): void;
}
