/**
 * Owns which seed the threads of an exploration try next, and which is the lowest that has failed, in memory that they
 * share. Seeds are given out in order, and one that has been given out is tried to its end, so the lowest failure is the same
 * however fast each thread is.
 */

const NEXT = 0;
const LOWEST = 1;
export const RACE_WORDS = 2;
const NONE = -1;

export class SeedRace {
  readonly words: Int32Array;
  readonly #count: number;

  /** @param count how many seeds there are */
  constructor(words: Int32Array, count: number) {
    this.words = words;
    this.#count = count;
  }

  static create(count: number): SeedRace {
    const words = new Int32Array(new SharedArrayBuffer(RACE_WORDS * Int32Array.BYTES_PER_ELEMENT));
    words[LOWEST] = NONE;
    return new SeedRace(words, count);
  }

  /** The index of the next seed; undefined when no further one matters. */
  take(): number | undefined {
    const index = Atomics.add(this.words, NEXT, 1);
    const { lowest } = this;
    return index < this.#count && (lowest === undefined || index < lowest) ? index : undefined;
  }

  /** A seed has failed. */
  fail(index: number): void {
    while (true) {
      const found = Atomics.load(this.words, LOWEST);
      if (found !== NONE && found <= index) return;
      if (Atomics.compareExchange(this.words, LOWEST, found, index) === found) return;
    }
  }

  /** How many seeds were given out. */
  get taken(): number {
    return Math.min(this.#count, Atomics.load(this.words, NEXT));
  }

  get lowest(): number | undefined {
    const lowest = Atomics.load(this.words, LOWEST);
    return lowest === NONE ? undefined : lowest;
  }
}
