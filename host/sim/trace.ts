/** Owns the hash of all that happens in a world. Whole numbers of 32 bits alone: equal on every machine. */

/** What is hashed. A number keeps its meaning: hashes are held in tests. */
export const Trace = {
  TURN: 1,
  ARRIVE: 2,
  END: 3,
  RESET: 4,
  CONNECT: 5,
  ACCEPT: 6,
  DATAGRAM: 7,
  FAULT: 8,
  NAME: 9,
  HOST: 10,
} as const;

export class TraceHash {
  #low = 0x811c9dc5 | 0;
  #high = 0x01000193;

  /** @param atNs the time in the world */
  add(kind: number, atNs: number, first: number, second: number): void {
    const ns = (atNs % 0x1_0000_0000) | 0;
    this.#mix(kind ^ ((atNs / 0x1_0000_0000) << 8));
    this.#mix(ns);
    this.#mix(first);
    this.#mix(second);
  }

  text(value: string): void {
    for (let i = 0; i < value.length; i++) this.#mix(value.charCodeAt(i));
  }

  /** 16 hexadecimal digits. */
  toString(): string {
    const digits = (word: number): string => (word >>> 0).toString(16).padStart(8, "0");
    return digits(this.#high) + digits(this.#low);
  }

  /** Two lanes of murmur3's mixing, with different constants. */
  #mix(word: number): void {
    const scrambled = Math.imul(word | 0, 0xcc9e2d51);
    let low = this.#low ^ ((scrambled << 15) | (scrambled >>> 17));
    low = (low << 13) | (low >>> 19) | 0;
    this.#low = (Math.imul(low, 5) + 0xe6546b64) | 0;
    const high = Math.imul(this.#high ^ word, 0x5bd1e995) + this.#low;
    this.#high = (high ^ (high >>> 15)) | 0;
  }
}
