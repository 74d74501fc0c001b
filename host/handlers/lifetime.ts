/**
 * Owns the promise and the signal that notify asynchronous work that its channel has closed, for one life of a handler. A
 * life ends when the channel is closed; taking over a socket after that begins another. Knows no channel.
 *
 * Both are created on first use, and so should this object be: most channels need neither.
 */

export class Lifetime {
  #isOver = false;
  #controller: AbortController | undefined;
  #closed: Promise<void> | undefined;
  #resolve: (() => void) | undefined;

  /** Resolves at the end of this life; never rejects. */
  get closed(): Promise<void> {
    if (this.#isOver) this.#closed ??= Promise.resolve();
    this.#closed ??= new Promise((resolve) => {
      this.#resolve = resolve;
    });
    return this.#closed;
  }

  /** Aborted at the end of this life. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#isOver) this.#controller.abort();
    return this.#controller.signal;
  }

  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#resolve?.();
    this.#controller?.abort();
  }
}
