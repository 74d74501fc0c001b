/**
 * Owns what a chat channel has read and not yet handed on, and where in it the terminator is. Knows no channel and makes
 * no callback: {@link InputBuffer.next} says, step by step, which one is due. Every step is complete before its
 * callback, which may change the terminator, or discard the rest.
 */

import { NO_BYTES } from "./endpoint";

/** The callback that is due. */
export namespace Step {
  /** None until more is read. */
  export const NOTHING: i32 = 0;
  /** `data` has come. */
  export const DATA: i32 = 1;
  /** The terminator has come. */
  export const FOUND: i32 = 2;
  /** More has come than a line may have; the rest of it is left out. */
  export const TOO_LONG: i32 = 3;
}

export class InputBuffer {
  /** Of {@link Step.DATA}: a view of what was read. Good until the next step. */
  data: Uint8Array = NO_BYTES;

  /** What ends a message: these bytes or, where there are none, so many bytes; 0 is nothing. */
  private needle: Uint8Array = NO_BYTES;
  private wanted: i32 = 0;
  /** For each length of a beginning of the needle: how long the longest shorter one is that it ends with. */
  private borders: StaticArray<i32> = NO_BORDERS;

  /** What was read last, and how far it is handed on. */
  private chunk: Uint8Array = NO_BYTES;
  private at: i32 = 0;
  /** How much of the needle all that was read ends with: the chunk is at its end then. */
  private matched: i32 = 0;
  /** The same in bytes, of a terminator that was replaced since. */
  private held: Uint8Array = NO_BYTES;
  /** What follows the data. */
  private due: i32 = Step.NOTHING;
  private lineLength: i32 = 0;
  /** Is the rest of a line that is too long to be left out? */
  private skipping: bool = false;

  /** Is a callback due? */
  get hasInput(): bool {
    return this.due != Step.NOTHING || this.at < this.chunk.length;
  }

  /** These bytes end a message, and must not change from then on; none: nothing does. */
  endWith(bytes: Uint8Array): void {
    this.endAfter(0);
    this.needle = bytes;
    this.borders = bordersOf(bytes);
  }

  /** So many bytes are a message; 0: nothing ends it. */
  endAfter(count: i32): void {
    if (this.matched > 0) this.held = this.needle.slice(0, this.matched);
    this.matched = 0;
    this.lineLength = 0;
    this.skipping = false;
    this.needle = NO_BYTES;
    this.wanted = count;
  }

  /** Adds what was read. Everything before it must have been handed on: see {@link hasInput}. */
  add(chunk: Uint8Array): void {
    this.chunk = this.held.length > 0 ? joined(this.held, chunk) : chunk;
    this.held = NO_BYTES;
    this.at = 0;
  }

  /** Goes on. @param lineLengthMax how many bytes a terminator of bytes may be away */
  next(lineLengthMax: i32): i32 {
    this.data = NO_BYTES;
    let step = this.takeDue();
    while (step == Step.NOTHING && this.at < this.chunk.length) {
      step = this.needle.length > 0 ? this.advanceToNeedle(lineLengthMax) : this.advance();
    }
    if (step == Step.NOTHING) {
      this.chunk = NO_BYTES;
      this.at = 0;
    }
    return step;
  }

  /** Drops everything that was read. */
  clear(): void {
    this.data = NO_BYTES;
    this.chunk = NO_BYTES;
    this.at = 0;
    this.matched = 0;
    this.held = NO_BYTES;
  }

  /** The stream is over: nothing more of it is handed on. The terminator stays. */
  reset(): void {
    this.clear();
    this.due = Step.NOTHING;
    this.lineLength = 0;
    this.skipping = false;
  }

  private takeDue(): i32 {
    const due = this.due;
    this.due = Step.NOTHING;
    return due;
  }

  private advance(): i32 {
    const start = this.at;
    let end = this.chunk.length;
    if (this.wanted > 0) {
      if (end - start >= this.wanted) {
        end = start + this.wanted;
        this.due = Step.FOUND;
      }
      this.wanted -= end - start;
    }
    this.at = end;
    this.data = this.chunk.subarray(start, end);
    return Step.DATA;
  }

  private advanceToNeedle(lineLengthMax: i32): i32 {
    const needle = this.needle;
    const chunk = this.chunk;
    const start = this.at;
    const before = this.matched;
    let matched = before;
    let i = start;
    while (i < chunk.length && matched < needle.length) {
      matched = this.matchedAfter(matched, unchecked(chunk[i]));
      i += 1;
    }
    const found = matched == needle.length;
    this.at = i;
    this.matched = found ? 0 : matched;
    const end = i - matched;
    // Of what was held back before, all but what is held back still belongs to the line.
    if (end < start) return this.give(before + end - start, start, start, found, lineLengthMax);
    return this.give(before, start, end, found, lineLengthMax);
  }

  /** How many of the needle's first bytes are matched after `byte`, if `matched` were before it. Knuth, Morris, Pratt. */
  private matchedAfter(matched: i32, byte: u8): i32 {
    let length = matched;
    while (length > 0 && unchecked(this.needle[length]) != byte) length = unchecked(this.borders[length]);
    return unchecked(this.needle[length]) == byte ? length + 1 : length;
  }

  /** Data of a line: `kept` bytes of the needle that proved to be none, and a part of the chunk. */
  private give(kept: i32, start: i32, end: i32, found: bool, lineLengthMax: i32): i32 {
    const length = kept + end - start;
    const skipped = this.skipping;
    const allowed = skipped ? 0 : max(0, min(length, lineLengthMax - this.lineLength));
    const tooLong = !skipped && allowed < length;
    this.lineLength = found ? 0 : this.lineLength + allowed;
    this.skipping = (skipped || tooLong) && !found;
    if (tooLong) this.due = Step.TOO_LONG;
    else if (found && !skipped) this.due = Step.FOUND;
    if (allowed == 0) return this.takeDue();
    if (kept == 0) this.data = this.chunk.subarray(start, start + allowed);
    else this.data = joined(this.needle.subarray(0, kept), this.chunk.subarray(start, end)).subarray(0, allowed);
    return Step.DATA;
  }
}


@lazy
const NO_BORDERS: StaticArray<i32> = [];

function bordersOf(needle: Uint8Array): StaticArray<i32> {
  const borders = new StaticArray<i32>(needle.length + 1);
  let length = 0;
  for (let i = 1; i < needle.length; i++) {
    while (length > 0 && needle[length] != needle[i]) length = borders[length];
    if (needle[length] == needle[i]) length += 1;
    borders[i + 1] = length;
  }
  return borders;
}

/** Two pieces in one. */
function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
