/**
 * Owns the input that a chat channel has read and not yet delivered, and finds the terminator in it. Knows no channel and
 * makes no callbacks: {@link InputBuffer.next} returns, step by step, what is to be delivered. Its state is consistent
 * after every step, so a callback may change the terminator, discard the rest, or throw.
 */

import { checkInteger } from "../../backend/check.js";
import { plainBytes } from "../../net/plain-bytes.js";
import { NO_BYTES } from "./bytes.js";
import { Needle, needleOf, type Terminator } from "./terminator.js";

/** What is to be delivered next. */
export const Step = {
  /** Nothing more can be delivered now. */
  NOTHING: 0,
  /** `data` has arrived. */
  DATA: 1,
  /** The terminator has arrived. */
  FOUND: 2,
  /** The line is longer than the limit; the rest of it is discarded. */
  TOO_LONG: 3,
} as const;

type Step = (typeof Step)[keyof typeof Step];

export class InputBuffer {
  /** For {@link Step.DATA}: a view of the input. Valid until the next step. */
  data: Uint8Array = NO_BYTES;

  #terminator: Terminator = null;
  #needle: Needle | undefined;
  /** The input read last, and how much of it has been delivered. */
  #chunk: Uint8Array = NO_BYTES;
  #at = 0;
  /** Length of the partial needle at the end of the input; the whole chunk has then been delivered or matched. */
  #matched = 0;
  /** The same for a terminator that has since been replaced: the matched bytes themselves. */
  #held: Uint8Array = NO_BYTES;
  /** For a numeric terminator: bytes in `data` that {@link getTerminator} has not counted yet. */
  #uncounted = 0;
  /** The step that follows the data. */
  #due: Step = Step.NOTHING;
  #lineLength = 0;
  /** Is the rest of an overlong line being discarded? */
  #skipping = false;

  /** Is there anything to deliver? */
  get hasInput(): boolean {
    return this.#due !== Step.NOTHING || this.#at < this.#chunk.length;
  }

  /** The terminator; for a number, how many bytes are still to come. */
  get terminator(): Terminator {
    return this.#terminator instanceof Uint8Array ? new Uint8Array(this.#terminator) : this.#terminator;
  }

  set terminator(terminator: Terminator) {
    const needle = needleFor(terminator);
    if (this.#needle !== undefined && this.#matched > 0) this.#held = this.#needle.bytes.slice(0, this.#matched);
    this.#matched = 0;
    this.#uncounted = 0;
    this.#lineLength = 0;
    this.#skipping = false;
    this.#needle = needle;
    this.#terminator = terminator instanceof Uint8Array ? (needle?.bytes ?? NO_BYTES) : terminator;
  }

  /**
   * Adds input. All earlier input must have been delivered: see {@link hasInput}. It gets memory of its own: programs keep
   * what they collect, and a view would keep the whole slab that it was received into.
   */
  add(chunk: Uint8Array): void {
    if (this.#held.length > 0) this.#chunk = joined(this.#held, chunk);
    else this.#chunk = chunk.length < chunk.buffer.byteLength ? new Uint8Array(chunk) : chunk;
    this.#held = NO_BYTES;
    this.#at = 0;
  }

  /** Takes the next step. @param lineLengthMax maximum bytes before a terminator of bytes; Infinity for no limit */
  next(lineLengthMax: number): Step {
    this.data = NO_BYTES;
    if (this.#uncounted > 0) this.#count();
    let step = this.#takeDue();
    while (step === Step.NOTHING && this.#at < this.#chunk.length) step = this.#advance(lineLengthMax);
    if (step === Step.NOTHING) {
      this.#chunk = NO_BYTES;
      this.#at = 0;
    }
    return step;
  }

  /** Drops all input. */
  clear(): void {
    this.data = NO_BYTES;
    this.#chunk = NO_BYTES;
    this.#at = 0;
    this.#matched = 0;
    this.#held = NO_BYTES;
  }

  /** The stream is over: the rest of its input is dropped. The terminator is kept. */
  reset(): void {
    this.clear();
    if (this.#uncounted > 0) this.#count();
    this.#due = Step.NOTHING;
    this.#lineLength = 0;
    this.#skipping = false;
  }

  #count(): void {
    if (typeof this.#terminator === "number") this.#terminator -= this.#uncounted;
    this.#uncounted = 0;
  }

  #takeDue(): Step {
    const due = this.#due;
    this.#due = Step.NOTHING;
    return due;
  }

  #advance(lineLengthMax: number): Step {
    if (this.#needle !== undefined) return this.#advanceToNeedle(this.#needle, lineLengthMax);
    const chunk = this.#chunk;
    const start = this.#at;
    let end = chunk.length;
    const wanted = this.#terminator;
    if (typeof wanted === "number" && wanted > 0) {
      if (end - start >= wanted) {
        end = start + wanted;
        this.#due = Step.FOUND;
      }
      this.#uncounted = end - start;
    }
    this.#at = end;
    this.data = start === 0 && end === chunk.length ? chunk : chunk.subarray(start, end);
    return Step.DATA;
  }

  #advanceToNeedle(needle: Needle, lineLengthMax: number): Step {
    const chunk = this.#chunk;
    const start = this.#at;
    const before = this.#matched;
    let matched = before;
    let i = start;
    // While a match begins before the chunk, it can only continue at the front of the chunk.
    while (matched > i - start && i < chunk.length && matched < needle.bytes.length) {
      matched = needle.advance(matched, chunk[i]);
      i += 1;
    }
    const candidate = i - matched;
    if (candidate < start) {
      const found = matched === needle.bytes.length;
      this.#at = i;
      this.#matched = found ? 0 : matched;
      return this.#give(needle, before + candidate - start, start, start, found, lineLengthMax);
    }
    const index = needle.indexIn(chunk, candidate);
    if (index >= 0) {
      this.#at = index + needle.bytes.length;
      this.#matched = 0;
      return this.#give(needle, before, start, index, true, lineLengthMax);
    }
    this.#at = chunk.length;
    this.#matched = needle.prefixAtEnd(chunk, candidate);
    return this.#give(needle, before, start, chunk.length - this.#matched, false, lineLengthMax);
  }

  /** Data of a line: `kept` bytes that turned out not to begin the needle, and a part of the chunk. */
  #give(needle: Needle, kept: number, start: number, end: number, found: boolean, lineLengthMax: number): Step {
    const length = kept + end - start;
    const skipped = this.#skipping;
    const allowed = skipped ? 0 : Math.max(0, Math.min(length, lineLengthMax - this.#lineLength));
    const tooLong = !skipped && allowed < length;
    this.#lineLength = found ? 0 : this.#lineLength + allowed;
    this.#skipping = (skipped || tooLong) && !found;
    if (tooLong) this.#due = Step.TOO_LONG;
    else if (found && !skipped) this.#due = Step.FOUND;
    if (allowed === 0) return this.#takeDue();
    if (kept === 0) this.data = this.#chunk.subarray(start, start + allowed);
    else this.data = joined(needle.bytes.subarray(0, kept), this.#chunk.subarray(start, end)).subarray(0, allowed);
    return Step.DATA;
  }
}

const TERMINATOR = "a string, a Uint8Array, a number of bytes, or null";

/** What to search for: a copy of a terminator's bytes; undefined where it is no bytes. */
function needleFor(terminator: Terminator): Needle | undefined {
  if (terminator === null) return undefined;
  if (typeof terminator === "string") return needleOf(terminator);
  if (typeof terminator === "number") {
    checkInteger("terminator", terminator, 0, Number.MAX_SAFE_INTEGER);
    return undefined;
  }
  const bytes = new Uint8Array(plainBytes("terminator", terminator, TERMINATOR));
  return bytes.length > 0 ? new Needle(bytes) : undefined;
}

/** Concatenates two pieces. */
function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
