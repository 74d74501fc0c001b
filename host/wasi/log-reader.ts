/** Owns reading a caller's change log into what is watched. Knows the log's layout; knows no subscriptions. */

import { Ready } from "../backend/backend.js";
import { Change } from "./abi.js";
import type { Watched } from "./watched.js";

/** A log of what changed since the last poll, in the caller's memory. */
export interface ChangeLog {
  /** How many entries there are. */
  count(): number;
  /** Where they are. */
  at(): number;
  /** Told when all of them have been read: the caller empties the log. */
  taken(): void;
}

export class LogReader {
  readonly #log: ChangeLog;
  readonly #watched: Watched;

  constructor(log: ChangeLog, watched: Watched) {
    this.#log = log;
    this.#watched = watched;
  }

  /** In the order of the log: a descriptor that was closed and used again appears twice. */
  read(view: DataView): void {
    const count = this.#log.count();
    if (count === 0) return;
    let at = this.#log.at();
    for (let i = 0; i < count; i++, at += Change.SIZE) {
      const fd = view.getInt32(at + Change.FD, true);
      const interest = view.getInt32(at + Change.INTEREST, true);
      if (interest !== 0) {
        const slot = view.getInt32(at + Change.SLOT, true);
        const generation = view.getInt32(at + Change.GENERATION, true);
        this.#watched.own(fd, false, slot, generation);
        this.#watched.own(fd, true, slot, generation);
      }
      // A caller that knows the log is notified of urgent data whenever it reads.
      this.#watched.watch(fd, (interest & Ready.READ) === 0 ? interest : interest | Ready.PRIORITY);
    }
    this.#log.taken();
  }
}
