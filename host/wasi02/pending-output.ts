/**
 * Owns descriptors with pending output: bytes that the host still has to send when the program closes a descriptor or ends
 * its writing half. Doing so at once would lose them, so it is deferred until they are sent; a closed descriptor is dropped
 * after a minute in any case. Knows no poll.
 */

import { now } from "wasi:clocks/monotonic-clock@0.2.0";
import type { Descriptor } from "./descriptors.js";
import { errnoOf } from "./errors.js";
import { roomIn } from "./streams.js";

const PENDING_NS_MAX = 60_000_000_000;

export class PendingOutput {
  readonly all = new Set<Descriptor>();

  /** Drops a descriptor that has no number any more, now or when its output is sent. */
  freeWhenSent(descriptor: Descriptor): void {
    descriptor.isClosed = true;
    if (descriptor.hasPendingOutput || roomIn(descriptor) === 0) {
      descriptor.untilNs = now() + PENDING_NS_MAX;
      descriptor.changed();
      this.#add(descriptor);
    } else {
      descriptor.free();
    }
  }

  /** Ends the writing half of a connection, now or when its output is sent. @returns 0, or -errno */
  endWhenSent(descriptor: Descriptor): number {
    if (descriptor.ends) return 0;
    descriptor.ends = true;
    if (roomIn(descriptor) !== 0) return end(descriptor);
    this.#add(descriptor);
    return 0;
  }

  /** The earliest deadline, in nanoseconds of the monotonic clock. */
  get untilNs(): number {
    let until = Infinity;
    for (const descriptor of this.all) until = Math.min(until, descriptor.untilNs);
    return until;
  }

  /** Ends or drops, as deferred, those whose output is sent; drops those whose deadline has passed. */
  finish(): void {
    for (const descriptor of this.all) {
      const isLate = descriptor.isClosed && descriptor.untilNs <= now();
      if (!isLate && roomIn(descriptor) === 0) continue;
      this.all.delete(descriptor);
      descriptor.hasPendingOutput = false;
      if (descriptor.ends) end(descriptor);
      if (descriptor.isClosed) descriptor.free();
    }
  }

  #add(descriptor: Descriptor): void {
    descriptor.hasPendingOutput = true;
    this.all.add(descriptor);
  }
}

function end({ tcp }: Descriptor): number {
  try {
    tcp?.shutdown("send");
    return 0;
  } catch (thrown) {
    return errnoOf(thrown);
  }
}
