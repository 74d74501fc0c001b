/** Owns bytes that wait to be sent: a queue of pieces that is never copied as a whole. Knows nothing of channels. */

/** How much one call is given at the most: asyncore's 64 KiB. */
const BYTES_A_SEND = 65_536;
/** Far below IOV_MAX on every platform, and more than a socket takes of small pieces. */
const PIECES_A_SEND = 64;

export class SendQueue {
  #pieces: Uint8Array[] = [];
  #first = 0;
  #length = 0;

  /** Bytes waiting. */
  get length(): number {
    return this.#length;
  }

  /** Adds a piece at the end. It must not change from then on. */
  push(piece: Uint8Array): void {
    if (piece.length === 0) return;
    this.#pieces.push(piece);
    this.#length += piece.length;
  }

  /** The pieces at the front that one send may take. */
  front(): Uint8Array[] {
    const front: Uint8Array[] = [];
    let bytes = 0;
    for (let i = this.#first; i < this.#pieces.length && front.length < PIECES_A_SEND && bytes < BYTES_A_SEND; i++) {
      const piece = this.#pieces[i];
      if (piece === undefined) break;
      const part = piece.length > BYTES_A_SEND - bytes ? piece.subarray(0, BYTES_A_SEND - bytes) : piece;
      front.push(part);
      bytes += part.length;
    }
    return front;
  }

  /** Drops `count` bytes at the front: they were sent. */
  drop(count: number): void {
    this.#length -= count;
    let left = count;
    while (left > 0) {
      const piece = this.#pieces[this.#first];
      if (piece === undefined) break;
      if (piece.length > left) {
        this.#pieces[this.#first] = piece.subarray(left);
        break;
      }
      left -= piece.length;
      this.#first += 1;
    }
    this.#shrink();
  }

  clear(): void {
    this.#pieces = [];
    this.#first = 0;
    this.#length = 0;
  }

  /** Lets go of what was sent, so seldom that a piece costs the same however long the queue is. */
  #shrink(): void {
    if (this.#first === this.#pieces.length) {
      this.#pieces = [];
      this.#first = 0;
    } else if (this.#first >= 1024 && 2 * this.#first >= this.#pieces.length) {
      this.#pieces = this.#pieces.slice(this.#first);
      this.#first = 0;
    }
  }
}
