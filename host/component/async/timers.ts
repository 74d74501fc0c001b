/** Owns times that a component waits for. Knows no clock. */

export interface Timer {
  readonly atNs: number;
  readonly run: () => void;
}

export class Timers {
  /** The next one is the last. */
  readonly #planned: Timer[] = [];

  get nextNs(): number {
    return this.#planned.at(-1)?.atNs ?? Infinity;
  }

  add(atNs: number, run: () => void): Timer {
    const timer = { atNs, run };
    this.#planned.splice(this.#place(atNs), 0, timer);
    return timer;
  }

  cancel(timer: Timer): void {
    // Of the same time there may be several.
    for (let at = this.#place(timer.atNs); this.#planned[at]?.atNs === timer.atNs; at++) {
      if (this.#planned[at] !== timer) continue;
      this.#planned.splice(at, 1);
      return;
    }
  }

  /** Calls what is due, each once, the oldest of the same time first. */
  fire(nowNs: number): void {
    while (this.nextNs <= nowNs) this.#planned.pop()?.run();
  }

  /** Before all that are not later. */
  #place(atNs: number): number {
    let from = 0;
    let to = this.#planned.length;
    while (from < to) {
      const middle = (from + to) >> 1;
      if ((this.#planned[middle] as Timer).atNs > atNs) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}
