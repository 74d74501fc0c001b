/**
 * Owns, by descriptor, how many reads in a row have each taken all that was there. Knows no call. A read that comes back
 * with less than it asked for has: epoll(7) says so of streams.
 */

import { errnos } from "../constants.js";
import { grown } from "../grown.js";

const COUNT_MAX = 3;

export class Drained {
  #counts = new Uint8Array(1024);

  /** A read of `fd` that asked for `most` bytes gave `result`: bytes, or -errno. */
  note(fd: number, result: number, most: number): void {
    const isDrained = (result > 0 && result < most) || result === -errnos.EAGAIN;
    const counts = this.#counts;
    if (fd < counts.length) {
      const count = counts[fd] ?? 0;
      if (!isDrained) counts[fd] = 0;
      else if (count < COUNT_MAX) counts[fd] = count + 1;
    } else if (isDrained) {
      this.#counts = grown(counts, fd);
      this.#counts[fd] = 1;
    }
  }

  count(fd: number): number {
    return this.#counts[fd] ?? 0;
  }

  clear(fd: number): void {
    if (fd >= 0 && fd < this.#counts.length) this.#counts[fd] = 0;
  }
}
