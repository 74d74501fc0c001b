/**
 * Owns a set of descriptors, each with what it is watched for: a table by descriptor, and a list, so that neither looking
 * one up nor walking through them makes anything. Knows no poll set and no WASI layout.
 */

export class InterestTable {
  /** By descriptor; 0 for one that is not in the set. */
  #interest = new Uint8Array(256);
  /** In order of addition; one that was taken out since still has its place. */
  #descriptors = new Int32Array(64);
  #count = 0;

  /** Bits of readiness; 0 where `fd` is not in the set. */
  get(fd: number): number {
    return this.#interest[fd] ?? 0;
  }

  /** Puts `fd` in, or changes what it has. A table must not be given again what was taken out, before it is cleared. */
  set(fd: number, interest: number): void {
    if (fd >= this.#interest.length) this.#interest = grown(this.#interest, fd + 1, Uint8Array);
    if (this.#interest[fd] === 0) {
      if (this.#count === this.#descriptors.length)
        this.#descriptors = grown(this.#descriptors, this.#count + 1, Int32Array);
      this.#descriptors[this.#count] = fd;
      this.#count += 1;
    }
    this.#interest[fd] = interest;
  }

  /** @returns whether it was in the set. */
  delete(fd: number): boolean {
    if (this.get(fd) === 0) return false;
    this.#interest[fd] = 0;
    return true;
  }

  clear(): void {
    for (let i = 0; i < this.#count; i++) this.#interest[this.#descriptors[i] ?? 0] = 0;
    this.#count = 0;
  }

  /** How many places {@link at} has. */
  get length(): number {
    return this.#count;
  }

  /** The descriptor in this place; it may have been taken out. */
  at(index: number): number {
    return this.#descriptors[index] ?? 0;
  }
}

function grown<T extends Uint8Array | Int32Array>(array: T, length: number, type: new (length: number) => T): T {
  const larger = new type(Math.max(length, 2 * array.length));
  larger.set(array);
  return larger;
}
