/** Owns the random numbers of a program that is recorded: a generator with a seed, so that the seed alone is recorded. */

const WARM_UP = 12;

/** Chris Doty-Humphrey's sfc32: 53 bits of two words a number. */
export class Random {
  readonly #state: Uint32Array;

  /** @param seed three whole numbers of 32 bits */
  constructor(seed: readonly number[]) {
    this.#state = Uint32Array.from([seed[0] ?? 0, seed[1] ?? 0, seed[2] ?? 0, 1]);
    for (let i = 0; i < WARM_UP; i++) this.#word();
  }

  /** From 0 to 1, without 1. */
  next(): number {
    const high = this.#word() >>> 5;
    const low = this.#word() >>> 6;
    return (high * 0x400_0000 + low) / 2 ** 53;
  }

  #word(): number {
    const [a = 0, b = 0, c = 0, d = 0] = this.#state;
    const word = (a + b + d) >>> 0;
    this.#state[3] = d + 1;
    this.#state[0] = b ^ (b >>> 9);
    this.#state[1] = c + (c << 3);
    this.#state[2] = ((c << 21) | (c >>> 11)) + word;
    return word;
  }
}
