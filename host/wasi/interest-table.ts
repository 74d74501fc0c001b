/**
 * Owns a set of descriptors, each with what it is watched for: a table by descriptor, and a list, so that neither looking
 * one up nor iterating allocates. Knows no poll set and no WASI layout.
 */

export class InterestTable {
  /** By descriptor; 0 for one that is not in the set. */
  #interest = new Uint8Array(256);
  /** In order of addition; deleted ones keep their place until {@link clear}. */
  #descriptors = new Int32Array(64);
  #count = 0;

  /** Bits of readiness; 0 where `fd` is not in the set. */
  get(fd: number): number {
    return this.#interest[fd] ?? 0;
  }

  /** Adds `fd`, or changes its interest. One that was deleted must not be added again before the table is cleared. */
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

  /** The end of the range of {@link at}. */
  get length(): number {
    return this.#count;
  }

  /** The descriptor at this place; it may have been deleted. */
  at(index: number): number {
    return this.#descriptors[index] ?? 0;
  }
}

function grown<T extends Uint8Array | Int32Array>(array: T, length: number, type: new (length: number) => T): T {
  const larger = new type(Math.max(length, 2 * array.length));
  larger.set(array);
  return larger;
}
