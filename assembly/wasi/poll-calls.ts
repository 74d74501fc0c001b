/** Owns the two imports of WASI preview 1 that the engine makes. Knows nothing else; poll.ts has the layouts. */

/** Waits until a subscription is fulfilled. `subscriptions` must not be 0. WASI preview 1, poll_oneoff. */
@external("wasi_snapshot_preview1", "poll_oneoff")
export declare function poll_oneoff(
  subscriptionsAt: usize,
  eventsAt: usize,
  subscriptions: u32,
  eventCountAt: usize,
): i32;

/** Writes the time of a clock, in nanoseconds. WASI preview 1, clock_time_get. */
@external("wasi_snapshot_preview1", "clock_time_get")
export declare function clock_time_get(clock: u32, precision: u64, timeAt: usize): i32;
