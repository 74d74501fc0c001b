/** Owns what a timer calls, and its handle. Knows nothing of how timers are stored. */

/** What a timer calls instead of a function: in a guest, functions cannot be closures. */
export interface TimerHandler {
  /** The time has come. What it throws, or its promise rejects with, leaves the loop. */
  handleTimer(): void | Promise<void>;
}

/** A function, or an object with `handleTimer`. In a guest the object's class must declare `implements TimerHandler`. */
export type TimerCallback = (() => void) | TimerHandler;

/** A timer started with `callLater`, `callAt` or `callEvery`. */
export interface Timer {
  /** Will it still fire? */
  readonly active: boolean;
  /** Stops it. @returns false where it had fired or was stopped already. */
  cancel(): boolean;
  /** The same, for `using`. */
  [Symbol.dispose](): void;
}
