/**
 * Owns how much of the host's memory the relays of a plugin hold: above the limit they stop reading until there is room, and
 * one whose receiver takes nothing meanwhile is ended. Knows no socket.
 */

/** What holds bytes, and can be asked to hold no more. */
export interface Holder {
  /** Bytes that it holds. */
  readonly held: number;
  /** When its receivers last took something. A time of `performance.now`. */
  readonly progressAtMs: number;
  /** There is room again. */
  resume(): void;
  /** Its receiver has taken nothing for too long while others wait for room. */
  evict(): void;
}

const CHECK_MS = 1000;
/** While others wait for room, a receiver may take nothing for so long. */
const STALL_MS = 10_000;

export class RelayMemory {
  #limit: number;
  readonly #onFull: (bytes: number) => void;
  readonly #holders = new Set<Holder>();
  readonly #waiting = new Set<Holder>();
  #held = 0;
  #timer: NodeJS.Timeout | undefined;

  /** @param onFull called when there is no room, with what would have been held */
  constructor(limit: number, onFull: (bytes: number) => void) {
    this.#limit = limit;
    this.#onFull = onFull;
  }

  get held(): number {
    return this.#held;
  }

  get isFull(): boolean {
    return this.#held >= this.#limit;
  }

  set limit(bytes: number) {
    this.#limit = bytes;
    this.#resume();
  }

  add(holder: Holder): void {
    this.#holders.add(holder);
  }

  remove(holder: Holder): void {
    this.#holders.delete(holder);
    this.#waiting.delete(holder);
    this.#resume();
  }

  /** A holder holds so many bytes more, or fewer. */
  change(bytes: number): void {
    this.#held += bytes;
    if (bytes < 0) this.#resume();
  }

  /** `holder` is resumed when there is room. */
  wait(holder: Holder): void {
    if (this.#waiting.size === 0) this.#onFull(this.#held);
    this.#waiting.add(holder);
    this.#timer ??= setInterval(this.#check, CHECK_MS).unref();
  }

  #resume(): void {
    for (const holder of this.#waiting) {
      if (this.isFull) return;
      this.#waiting.delete(holder);
      holder.resume();
    }
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  readonly #check = (): void => {
    const limitMs = performance.now() - STALL_MS;
    // A copy: one that is evicted is removed.
    for (const holder of [...this.#holders]) {
      if (this.#waiting.size === 0 || !this.isFull) return;
      if (holder.held > 0 && holder.progressAtMs < limitMs) holder.evict();
    }
  };
}
