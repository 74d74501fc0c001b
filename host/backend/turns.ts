/**
 * Owns the seam of turns: what a loop takes between waits, and who takes them where time is not the host's own. Knows
 * neither an engine nor a guest.
 */

import type { PollSet } from "./polling.js";

/** Something that takes turns. */
export interface Turns {
  /** Watched between turns. */
  readonly pollSet: PollSet;
  /** With at least this many ready channels, the next turn is taken without returning to the host's event loop. */
  readonly busyFrom: number;
  /** Is something else ready that needs this thread? Then no turn follows another before that. Default: false. */
  readonly isOtherReady?: boolean;
  /** Do they keep the host's event loop alive? Read before each wait. */
  readonly keepsAlive: boolean;
  /** Are there channels whose interest must be sampled? */
  readonly areSampled: boolean;
  /** Set while the driver waits. To be called when something that a turn depends on has changed. */
  onChange: (() => void) | undefined;
  /**
   * Prepares a turn. May be called again before the turn is taken; it then samples interest again.
   * @param elapsedMs how much of the time that the turn may wait has passed already
   * @returns how long the turn may wait, or undefined when no turn is to follow
   */
  prepare(elapsedMs: number): number | undefined;
  /**
   * Brings {@link pollSet} up to date with the turn that was prepared.
   * @returns whether to wait; false if a turn would find something ready regardless of the operating system
   */
  beforeWait(): boolean;
  /**
   * In the turn that was prepared last, can a channel write that has begun to want to? Then that turn follows at once.
   * Default: false.
   */
  canWrite?(): boolean;
  /** Takes the turn, without waiting. @returns how many channels were ready */
  run(): number;
}

/** Takes turns in place of the host's event loop. */
export interface TurnTaker {
  /** Resolves when no turn is to follow, or the signal is aborted; rejects with what a turn throws. */
  take(turns: Turns, signal: AbortSignal | undefined): Promise<void>;
}
