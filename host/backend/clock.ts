/** Owns time as a backend has it. Knows no call on descriptors. */

import type { TurnTaker } from "./turns.js";

export interface Clock {
  /** Nanoseconds since some fixed point, never going back; whole numbers, exact for 104 days and good to 2 ns for a year. */
  monotonicNs(): number;
  /**
   * The same for the first half of a turn, which a host may take several times between two turns: a recording has to tell these
   * readings from the program's. undefined: {@link monotonicNs}.
   */
  readonly turnNs?: (() => number) | undefined;
  /** Nanoseconds since 1970-01-01T00:00:00Z. */
  realtimeNs(): bigint;
  /**
   * Takes the turns of loops where this time is not the host's own: simulated time moves only when everybody waits.
   * undefined: the host's event loop takes them, and its timers wait.
   */
  readonly turnTaker: TurnTaker | undefined;
  /** CPU time that the calling thread has used, in nanoseconds. */
  threadCpuNs(): bigint;
}
