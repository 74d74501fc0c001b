/**
 * Owns reserving memory before a call begins, so that a call which cannot have it is refused as a whole, and nothing
 * grows halfway through. Knows the parts of the engine that keep records. Only engine.wasm has it: in a guest records
 * grow when they must, and out of memory is a trap.
 */

import { channelCount, reserveSlot } from "./channels";
import { reserveEvents, reserveSubscriptions } from "./interest";
import { reserveEntries } from "./schedule";
import { reserveTimerSlot } from "./timers";

/**
 * Memory for one more channel, for whatever it may come to be watched for, and for what a poll returns of channels that are
 * watched as they are now. @returns whether there is some.
 */
export function reserveChannel(): bool {
  const count = channelCount() + 1;
  return reserveSlot() && reserveSubscriptions(count) && reserveEvents(1) && reserveEntries(count);
}

/** Memory for one more timer, also for when it is due. */
export function reserveTimer(): bool {
  return reserveTimerSlot();
}

/** Memory for what a poll can return. */
export function reserveTurn(): bool {
  return reserveEvents(0) && reserveEntries(channelCount());
}
