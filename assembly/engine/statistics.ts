/** Owns the counters that tell what the engine has done. Knows nothing of who counts. */

const STATISTICS_SIZE: i32 = 120;

/** Each a count since the map was made. 8 bytes a counter, in this order. */
@unmanaged
export class Statistics {
  turns: u64;
  /** Events that poll_oneoff returned for channels. */
  events: u64;
  /** Events for channels that were closed by the time. */
  dropped: u64;
  /** Upcalls that ask for interest. */
  asked: u64;
  /** Callbacks, by kind of event. */
  accepts: u64;
  connects: u64;
  reads: u64;
  writes: u64;
  exceptionals: u64;
  closes: u64;
  errors: u64;
  timers: u64;
  /** Channels that were ever added. */
  channels: u64;
  /** Changes of what a channel is subscribed for. */
  changes: u64;
  /** Times that a listener was paused. */
  pauses: u64;
}

export const statistics = changetype<Statistics>(memory.data(STATISTICS_SIZE, 8));
assert(offsetof<Statistics>() == STATISTICS_SIZE);
