/**
 * Owns contents of files that come again: what was read lately is recorded once, and named by its place after that. Both
 * sides keep the same. Knows no record.
 */

import { hashOf } from "../hash.js";

/** Shorter ones are not worth a look. */
const BYTES_MIN = 1024;
const BYTES_MAX = 0x2_0000;
const PLACES = 256;

export class Contents {
  readonly #places: (Uint8Array | undefined)[] = [];
  readonly #byHash = new Map<number, number>();
  #next = 0;

  /** @returns where it is, if it was read lately; otherwise it is kept */
  find(data: Uint8Array): number | undefined {
    if (!isKept(data)) return undefined;
    const hash = hashOf(data);
    const place = this.#byHash.get(hash);
    const found = place === undefined ? undefined : this.#places[place];
    if (found !== undefined && Buffer.compare(found, data) === 0) return place;
    const before = this.#places[this.#next];
    if (before !== undefined) {
      const old = hashOf(before);
      if (this.#byHash.get(old) === this.#next) this.#byHash.delete(old);
    }
    this.#byHash.set(hash, this.#next);
    this.#put(data);
    return undefined;
  }

  /** What {@link find} has kept on the other side. */
  keep(data: Uint8Array): void {
    if (isKept(data)) this.#put(data);
  }

  at(place: number): Uint8Array | undefined {
    return this.#places[place];
  }

  #put(data: Uint8Array): void {
    this.#places[this.#next] = data.slice();
    this.#next = (this.#next + 1) % PLACES;
  }
}

function isKept(data: Uint8Array): boolean {
  return data.length >= BYTES_MIN && data.length <= BYTES_MAX;
}
