/**
 * Owns the layout of the array that poll(2) takes. Knows no poll set.
 *
 * ```
 * struct pollfd   0       4        6         8
 *                 | fd    | events | revents |
 * ```
 */

/** In 16-bit words: the size of a struct pollfd, and the offsets of events and revents. */
const SHORTS = 4;
const EVENTS = 2;
const REVENTS = 3;

/** A growing array of struct pollfd. */
export class PollArray {
  readonly capacity: number;
  readonly fds: Int32Array;
  readonly shorts: Int16Array;

  constructor(capacity: number) {
    const memory = new ArrayBuffer(capacity * 8);
    this.capacity = capacity;
    this.fds = new Int32Array(memory);
    this.shorts = new Int16Array(memory);
  }

  grown(): PollArray {
    const larger = new PollArray(this.capacity * 2);
    larger.fds.set(this.fds);
    return larger;
  }

  set(index: number, fd: number, events: number): void {
    this.fds[index * 2] = fd;
    this.shorts[index * SHORTS + EVENTS] = events;
  }

  move(from: number, to: number): void {
    this.fds[to * 2] = this.fdAt(from);
    this.fds[to * 2 + 1] = this.fds[from * 2 + 1] ?? 0;
  }

  fdAt(index: number): number {
    return this.fds[index * 2] ?? -1;
  }

  eventsAt(index: number): number {
    return this.shorts[index * SHORTS + EVENTS] ?? 0;
  }

  foundAt(index: number): number {
    return this.shorts[index * SHORTS + REVENTS] ?? 0;
  }
}
