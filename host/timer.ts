/** Owns the handle of a timer. Knows nothing of how timers are kept. */

/** A timer started with `callLater`, `callAt` or `callEvery`. */
export interface Timer {
  /** Is it still to fire? */
  readonly active: boolean;
  /** Stops it. @returns false where it had fired or was stopped already. */
  cancel(): boolean;
  /** The same, for `using`. */
  [Symbol.dispose](): void;
}
