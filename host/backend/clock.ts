/** Owns time as a backend has it. Knows no call on descriptors. */

export interface Clock {
  /** Nanoseconds since some fixed point, never going back; whole numbers, exact for 104 days and good to 2 ns for a year. */
  monotonicNs(): number;
  /** Nanoseconds since 1970-01-01T00:00:00Z. */
  realtimeNs(): bigint;
  /** CPU time that the calling thread has used, in nanoseconds. */
  threadCpuNs(): bigint;
}
