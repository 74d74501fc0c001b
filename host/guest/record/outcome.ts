/** Owns what a replay of a guest comes to. Types, and what is thrown inside. Knows no call. */

import type { GuestFrame } from "../frames.js";

/** Where a guest did something else than in its recording. */
export interface Difference {
  /** The number of the call, from 1 on; of the last one, where it is not a call that differs. */
  readonly call: number;
  /** How many times poll_oneoff has been called. */
  readonly turn: number;
  /** The function of preview 1; "memory" for a hash; "" where an export's result differs, or the guest's end. */
  readonly name: string;
  /** What the recording has. */
  readonly expected: string;
  /** What the guest has done. */
  readonly found: string;
  /** Where in the guest, innermost first. */
  readonly frames: readonly GuestFrame[];
}

/** How a guest has ended, when it was recorded and in the replay. */
export type RecordedEnd =
  | { readonly kind: "exit"; readonly code: number }
  | { readonly kind: "trap"; readonly message: string }
  /** The host has ended it between two calls. */
  | { readonly kind: "stopped" };

interface Extent {
  /** How many calls were answered from the recording. */
  readonly calls: number;
  /** How many of them were of poll_oneoff. */
  readonly turns: number;
}

export type ReplayOutcome = Extent &
  (
    | { readonly kind: "same"; readonly end: RecordedEnd }
    /** No difference as far as the recording goes, which has no end: the guest was killed, or has not ended yet. */
    | { readonly kind: "cut off" }
    /** As far as it was to go. */
    | { readonly kind: "until" }
    | { readonly kind: "different"; readonly difference: Difference }
  );

export interface ReplayOptions {
  /** Ends the replay when this turn begins, from 1 on. Default: the whole recording. */
  readonly until?: number | undefined;
  /** Is it another build of the module? Then addresses in memory are not compared. Default: false. */
  readonly changed?: boolean | undefined;
  /** Called when a turn begins, with a hash of the memory. Without it no memory is hashed, unless the recording has hashes. */
  readonly onTurn?: ((turn: number, hash: string) => void) | undefined;
}
