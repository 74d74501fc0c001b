/** Owns a token bucket: how many bytes, or lines, may be moved now, and when more may be. Knows no socket. */

/** A full bucket holds what comes in so long. */
const BURST_MS = 250;
/** An empty bucket is used again when it holds what comes in so long: fewer, larger transfers. */
const QUANTUM_MS = 20;
const MS_PER_SECOND = 1000;

/** Full at first. A rate of Infinity is no limit. */
export class TokenBucket {
  readonly isLimited: boolean;
  readonly #bytesPerMs: number;
  readonly #capacity: number;
  readonly #quantum: number;
  readonly #nowMs: () => number;
  /** Below zero after a datagram that was larger than what was left. */
  #tokens: number;
  #filledMs: number;

  constructor(bytesPerSecond: number, nowMs: () => number) {
    this.isLimited = bytesPerSecond !== Infinity;
    this.#bytesPerMs = bytesPerSecond / MS_PER_SECOND;
    this.#capacity = Math.max(1, this.#bytesPerMs * BURST_MS);
    this.#quantum = Math.min(this.#capacity, Math.max(1, this.#bytesPerMs * QUANTUM_MS));
    this.#nowMs = nowMs;
    this.#tokens = this.isLimited ? this.#capacity : Infinity;
    this.#filledMs = this.isLimited ? nowMs() : 0;
  }

  /** How many bytes may be moved now: 0 while it is filling up after it was empty, else at least 1; whole. */
  get allowed(): number {
    if (!this.isLimited) return Infinity;
    this.#fill();
    return this.#tokens < this.#quantum ? 0 : Math.floor(this.#tokens);
  }

  /** How long until {@link allowed} is not 0. */
  get delayMs(): number {
    if (!this.isLimited) return 0;
    this.#fill();
    return Math.max(0, (this.#quantum - this.#tokens) / this.#bytesPerMs);
  }

  /** So many bytes were moved; more than {@link allowed} where a datagram could not be divided. */
  spend(bytes: number): void {
    if (this.isLimited) this.#tokens -= bytes;
  }

  #fill(): void {
    const nowMs = this.#nowMs();
    // A clock never goes back; one that a test sets may.
    const passedMs = Math.max(0, nowMs - this.#filledMs);
    this.#filledMs = nowMs;
    this.#tokens = Math.min(this.#capacity, this.#tokens + passedMs * this.#bytesPerMs);
  }
}
