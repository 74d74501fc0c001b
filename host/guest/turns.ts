/**
 * Owns the turns of a guest, for the driver: between them the host waits for what the guest has subscribed to, and for
 * its next deadline. Knows the guest and its poll_oneoff; knows no descriptor, and not how the host waits.
 */

import type { PollSet, Turns } from "../backend/backend.js";
import { Driver } from "../loop/driver.js";
import type { PollOneoff } from "../wasi/poll-oneoff.js";

/** A guest's poll_oneoff does not wait when it is driven, so the guest may ask for any time. */
const FOREVER_NS = (1n << 63n) - 1n;

/** A guest that takes turns: see `Guest`. */
export interface TurnTaker {
  readonly exitCode: number | undefined;
  /** See {@link Turns}. */
  readonly isOtherReady?: boolean;
  turn(timeoutNs: bigint): number;
  pending(): number;
}

class GuestTurns implements Turns {
  /** A guest says what it waits for only in a turn that finds nothing. */
  readonly busyFrom = 1;
  readonly keepsAlive = true;
  readonly areSampled = false;
  readonly pollSet: PollSet;
  onChange: (() => void) | undefined;
  exitCode = 0;
  readonly #guest: TurnTaker;
  readonly #poller: PollOneoff;
  /** Did the last turn find nothing? Otherwise what the guest waits for is not known. */
  #isSettled = false;
  #hasBegun = false;

  constructor(guest: TurnTaker, poller: PollOneoff) {
    this.#guest = guest;
    this.#poller = poller;
    this.pollSet = poller.pollSet;
  }

  get isOtherReady(): boolean {
    return this.#guest.isOtherReady === true;
  }

  prepare(): number | undefined {
    // It may begin its work in its first turn. One that has ended has nothing pending either.
    if (!this.#hasBegun || this.#guest.pending() !== 0) return this.#isSettled ? this.#poller.wantedMs : 0;
    this.exitCode = this.#guest.exitCode ?? 0;
    return undefined;
  }

  beforeWait(): boolean {
    return !this.#poller.isImmediate;
  }

  run(): number {
    this.#hasBegun = true;
    this.#poller.turnBegins();
    const ready = this.#guest.turn(FOREVER_NS);
    this.#isSettled = ready <= 0;
    return ready;
  }
}

/**
 * Has a guest take turns until it has nothing left to wait for or `signal` is aborted.
 * @param poller whose `waits` is false
 * @returns the guest's exit status; 0 when it has nothing left to wait for, or the signal is aborted
 */
export async function driveTurns(
  guest: TurnTaker,
  poller: PollOneoff,
  signal: AbortSignal | undefined,
): Promise<number> {
  const turns = new GuestTurns(guest, poller);
  await new Driver(turns, signal).run();
  return turns.exitCode;
}
