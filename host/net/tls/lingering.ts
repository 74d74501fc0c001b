/**
 * Owns the time between the close of a TLS connection and that of its descriptor: node:tls encrypts what it was given in the
 * next iterations of Node's event loop, and a full connection takes it when its peer reads. Knows no socket.
 */

/** How long a peer that does not read is waited for. */
const LINGER_MS = 30_000;
/** How long the first and any later attempt to send waits for the one before it. */
const RETRY_MS_MIN = 10;
const RETRY_MS_MAX = 250;

export class Lingering {
  readonly #flush: () => void;
  #release: (() => void) | undefined;
  #deadline: NodeJS.Timeout | undefined;
  #retry: NodeJS.Timeout | undefined;
  #retryMs = RETRY_MS_MIN;

  /**
   * Keeps the process alive.
   * @param flush sends what the connection takes
   * @param release called once, at the end
   */
  constructor(flush: () => void, release: () => void) {
    this.#flush = flush;
    this.#release = release;
    this.#deadline = setTimeout(() => this.end(), LINGER_MS);
  }

  /** The connection has not taken everything. */
  retry(): void {
    if (this.#release === undefined || this.#retry !== undefined) return;
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      this.#flush();
    }, this.#retryMs);
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MS_MAX);
  }

  end(): void {
    const release = this.#release;
    this.#release = undefined;
    clearTimeout(this.#deadline);
    clearTimeout(this.#retry);
    release?.();
  }
}
