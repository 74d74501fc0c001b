/**
 * Owns what becomes of the errors of callbacks: those that a channel handles, and the one that must leave the loop. Knows
 * the channel seam; knows no engine.
 */

import { type Channel, handleThrown, isThenable } from "./channel.js";
import { Verdict } from "./engine.js";
import { logThrown } from "../backend/log.js";
import { forgetUntaken, rememberUntaken } from "./untaken.js";

export class Failures {
  /** The order of the turn: see {@link handleThrown}. */
  byChannel = false;
  readonly #changed: () => void;
  #escaping: { readonly error: unknown } | undefined;

  /** @param changed called when something has happened between turns that the loop must know of */
  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /** Is an error about to leave the loop? */
  get isEscaping(): boolean {
    return this.#escaping !== undefined;
  }

  /** Throws the error that must leave the loop, if there is one. */
  rethrow(): void {
    const escaping = this.#escaping;
    if (escaping === undefined) return;
    this.#escaping = undefined;
    forgetUntaken(this);
    throw escaping.error;
  }

  /** Handles what a handler threw. @returns the verdict for the engine */
  fail(channel: Channel, error: unknown): number {
    try {
      return handleThrown(channel, error, this.byChannel) ? Verdict.FAILED : Verdict.GO_ON;
    } catch (thrown) {
      return this.escape(thrown);
    }
  }

  /** `error` leaves the loop when the turn has ended; the next loop, if none runs. @returns the verdict for the engine */
  escape(error: unknown): number {
    // Only one error can leave the loop. A turn stops at the first, so a second can only come from a promise.
    if (this.#escaping !== undefined) logThrown("another error is leaving the loop already", error);
    this.#escaping ??= { error };
    return Verdict.STOP;
  }

  /** See `Registrar.follow`. */
  follow(channel: Channel, result: unknown, fail?: (error: unknown) => void): void {
    if (!isThenable(result)) return;
    const { signal } = channel;
    const wasOpen = channel.fd >= 0;
    const byDefault = (error: unknown): void => {
      const isClosed = signal.aborted || (wasOpen && channel.fd < 0);
      handleThrown(channel, error, this.byChannel, isClosed);
    };
    this.followPromise(result, fail ?? byDefault);
  }

  /** Handles a rejection by `fail`; what that throws leaves the loop. Requests a turn, as for any change between turns. */
  followPromise(result: unknown, fail: (error: unknown) => void): void {
    if (!isThenable(result)) return;
    Promise.resolve(result).then(undefined, (error: unknown) => {
      try {
        fail(error);
      } catch (thrown) {
        this.escape(thrown);
      }
      if (this.#escaping !== undefined) rememberUntaken(this, this.#escaping.error);
      this.#changed();
    });
  }

  /** Runs a handler's code between turns; an error that must leave the loop leaves it at the next turn. */
  guard(channel: Channel, call: () => void): void {
    try {
      call();
    } catch (error) {
      this.fail(channel, error);
    }
    this.#changed();
  }
}
