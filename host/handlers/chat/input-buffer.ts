/**
 * Owns what a chat channel has read and not yet handed on, and where in it the terminator is. Knows no channel and
 * calls nobody: {@link InputBuffer.next} says, step by step, what is to be told. Every step is complete before it is
 * told, so that whoever is told may change the terminator, throw the rest away, or throw.
 */

import { checkBytes, checkInteger } from "../../backend/check.js";
import { NO_BYTES, bytesOf } from "./bytes.js";
import { Needle, type Terminator } from "./terminator.js";

/** What is to be told. */
export const Step = {
  /** All that can be told has been. */
  NOTHING: 0,
  /** `data` has come. */
  DATA: 1,
  /** The terminator has come. */
  FOUND: 2,
  /** More has come than a line may have; the rest of it is left out. */
  TOO_LONG: 3,
} as const;

type Step = (typeof Step)[keyof typeof Step];

export class InputBuffer {
  /** Of {@link Step.DATA}: a view of what was read. Good until the next step. */
  data: Uint8Array = NO_BYTES;

  #terminator: Terminator = null;
  #needle: Needle | undefined;
  /** What was read last, and how far it is handed on. */
  #chunk: Uint8Array = NO_BYTES;
  #at = 0;
  /** How much of the needle all that was read ends with: the chunk is at its end then. */
  #matched = 0;
  /** The same in bytes, of a terminator that was replaced since. */
  #held: Uint8Array = NO_BYTES;
  /** Of a number: what `data` has of it and {@link getTerminator} has not counted yet. */
  #uncounted = 0;
  /** What follows the data. */
  #due: Step = Step.NOTHING;
  #lineLength = 0;
  /** Is the rest of a line that is too long to be left out? */
  #skipping = false;

  /** Is there something to tell? */
  get hasInput(): boolean {
    return this.#due !== Step.NOTHING || this.#at < this.#chunk.length;
  }

  /** What was set; of a number what is left. */
  get terminator(): Terminator {
    return this.#terminator instanceof Uint8Array ? new Uint8Array(this.#terminator) : this.#terminator;
  }

  set terminator(terminator: Terminator) {
    const bytes = checked(terminator);
    if (this.#needle !== undefined && this.#matched > 0) this.#held = this.#needle.bytes.slice(0, this.#matched);
    this.#matched = 0;
    this.#uncounted = 0;
    this.#lineLength = 0;
    this.#skipping = false;
    this.#needle = bytes.length > 0 ? new Needle(bytes) : undefined;
    this.#terminator = terminator instanceof Uint8Array ? bytes : terminator;
  }

  /** Adds what was read. Everything before it must have been told: see {@link hasInput}. */
  add(chunk: Uint8Array): void {
    this.#chunk = this.#held.length > 0 ? joined(this.#held, chunk) : chunk;
    this.#held = NO_BYTES;
    this.#at = 0;
  }

  /** Goes on. @param lineLengthMax how many bytes a terminator of bytes may be away; Infinity for no limit */
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

  /** Drops everything that was read. */
  clear(): void {
    this.data = NO_BYTES;
    this.#chunk = NO_BYTES;
    this.#at = 0;
    this.#matched = 0;
    this.#held = NO_BYTES;
  }

  /** The stream is over: nothing of it is told any more. The terminator stays. */
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
    // As long as the beginning of a match lies before the chunk, it can only go on at the front of the chunk.
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

  /** Data of a line: `kept` bytes of the needle that proved to be none, and a part of the chunk. */
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

/** The bytes of a terminator, for the buffer to keep; none for a number or null. */
function checked(terminator: Terminator): Uint8Array {
  if (terminator === null) return NO_BYTES;
  if (typeof terminator === "string") return bytesOf("terminator", terminator);
  if (typeof terminator === "number") {
    checkInteger("terminator", terminator, 0, Number.MAX_SAFE_INTEGER);
    return NO_BYTES;
  }
  checkBytes("terminator", terminator);
  return new Uint8Array(terminator);
}

/** Two pieces in one. */
function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
