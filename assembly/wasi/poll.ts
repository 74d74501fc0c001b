/**
 * Owns what the engine and a guest use of WASI preview 1's `poll_oneoff`: its layouts, which are in assembly/shared, and
 * its calls, which are in poll-calls.ts. Knows nothing of channels.
 */

import { Event, Subscription } from "../shared/preview1";

export { clock_time_get, poll_oneoff } from "./poll-calls";
export { ClockId, EVENT_HANGUP, Event, EventType, Subscription } from "../shared/preview1";

export const SUBSCRIPTION_SIZE: i32 = offsetof<Subscription>();
export const EVENT_SIZE: i32 = offsetof<Event>();

/** Writes the event at `index`: the descriptor is ready, or polling it has failed. */
export function writeEvent(eventsAt: usize, index: i32, userdata: u64, type: u8, error: i32): void {
  const event = changetype<Event>(eventsAt + <usize>index * EVENT_SIZE);
  event.userdata = userdata;
  event.error = u16(error);
  event.type = type;
  event.nbytes = 1;
  event.flags = 0;
}
