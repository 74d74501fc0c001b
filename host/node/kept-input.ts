/**
 * Owns which descriptors of a poll set have unread input in their records: they are ready even if the kernel reports
 * nothing. Knows neither epoll nor poll.
 */

import { Ready, ReadyRow } from "../backend/backend.js";
import type { Records } from "./batch/record.js";

export class KeptInput {
  readonly #records: Records;
  readonly #reads: (fd: number) => boolean;
  /** Those that had unread input at the last {@link notice}. */
  readonly #fds = new Set<number>();

  /** @param reads is the descriptor watched for reading? */
  constructor(records: Records, reads: (fd: number) => boolean) {
    this.#records = records;
    this.#reads = reads;
  }

  /** How many rows {@link addTo} adds at most. */
  get size(): number {
    return this.#fds.size;
  }

  /** Is there any? */
  get isAny(): boolean {
    if (this.#fds.size === 0) return false;
    for (const fd of this.#fds) if (this.#hasInput(fd)) return true;
    return false;
  }

  /** The record of `fd`, or the interest in it, has changed. @returns whether it has unread input to report */
  notice(fd: number): boolean {
    if (this.#records.get(fd)?.hasInput !== true || !this.#reads(fd)) return false;
    this.#fds.add(fd);
    return true;
  }

  /** Adds unread input to the `count` rows that the kernel reported. @returns how many rows there are then */
  addTo(rows: Int32Array, count: number): number {
    const reported = new Set<number>();
    for (let at = 0; at < count * ReadyRow.STRIDE; at += ReadyRow.STRIDE) {
      const fd = rows[at + ReadyRow.FD] ?? -1;
      if (!this.#fds.has(fd) || !this.#hasInput(fd)) continue;
      reported.add(fd);
      rows[at + ReadyRow.BITS] = (rows[at + ReadyRow.BITS] ?? 0) | Ready.READ;
    }
    let total = count;
    for (const fd of this.#fds) {
      if (reported.has(fd) || !this.#hasInput(fd)) continue;
      const at = total * ReadyRow.STRIDE;
      rows[at + ReadyRow.FD] = fd;
      rows[at + ReadyRow.BITS] = Ready.READ;
      rows[at + ReadyRow.ERROR] = 0;
      rows[at + ReadyRow.READABLE] = -1;
      total++;
    }
    return total;
  }

  clear(): void {
    this.#fds.clear();
  }

  /** Does `fd` still have unread input? If not, it is forgotten. */
  #hasInput(fd: number): boolean {
    if (this.#records.get(fd)?.hasInput === true && this.#reads(fd)) return true;
    this.#fds.delete(fd);
    return false;
  }
}
