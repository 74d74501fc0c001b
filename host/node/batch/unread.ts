/**
 * Owns what has been read ahead in a batch that is over and has not been taken since, and the errors that calls made
 * together were given, which the operating system does not tell again. Knows no call.
 */

export class Unread {
  readonly #bytes = new Map<number, Uint8Array>();
  readonly #errors = new Map<number, number>();

  /** 0 as long as nothing is kept of any descriptor. */
  get size(): number {
    return this.#bytes.size + this.#errors.size;
  }

  /** The descriptors of which something is kept; one with both is named twice. */
  *fds(): IterableIterator<number> {
    yield* this.#bytes.keys();
    yield* this.#errors.keys();
  }

  has(fd: number): boolean {
    return this.#bytes.has(fd) || this.#errors.has(fd);
  }

  /** How many bytes are kept of `fd`. */
  lengthOf(fd: number): number {
    return this.#bytes.get(fd)?.length ?? 0;
  }

  keep(fd: number, rest: Uint8Array): void {
    this.#bytes.set(fd, rest);
  }

  /** @param errno negative; the first of several stays */
  fail(fd: number, errno: number): void {
    if (!this.#errors.has(fd)) this.#errors.set(fd, errno);
  }

  /** Takes up to `most` bytes; undefined where none are kept. */
  take(fd: number, most: number): Uint8Array | undefined {
    const rest = this.#bytes.get(fd);
    if (rest === undefined || most >= rest.length) {
      this.#bytes.delete(fd);
      return rest;
    }
    this.#bytes.set(fd, rest.subarray(most));
    return rest.slice(0, most);
  }

  /** Takes the error, which comes after what there is to read; 0 where there is none. */
  takeError(fd: number): number {
    const errno = this.#errors.get(fd) ?? 0;
    this.#errors.delete(fd);
    return errno;
  }

  delete(fd: number): void {
    this.#bytes.delete(fd);
    this.#errors.delete(fd);
  }
}
