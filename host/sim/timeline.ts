/**
 * Owns what is to happen in a world, in the order of its time: a binary heap by time, ties by age. Knows nothing of what
 * happens.
 */

export interface Planned {
  readonly atNs: number;
  readonly order: number;
  /** undefined once it was cancelled. */
  run: (() => void) | undefined;
}

export class Timeline {
  nowNs = 0;
  readonly #heap: Planned[] = [];
  #order = 0;
  #cancelled = 0;

  /** Plans a call; at a time that has passed, it comes next. */
  plan(atNs: number, run: () => void): Planned {
    const planned = { atNs: Math.max(atNs, this.nowNs), order: this.#order++, run };
    this.#rise(planned);
    return planned;
  }

  cancel(planned: Planned): void {
    if (planned.run === undefined) return;
    planned.run = undefined;
    this.#cancelled += 1;
    if (this.#cancelled > 64 && this.#cancelled > this.#heap.length / 2) this.#sweep();
  }

  /** When the next call comes; Infinity where none is planned. */
  get nextNs(): number {
    let first = this.#heap[0];
    while (first !== undefined && first.run === undefined) {
      this.#cancelled -= 1;
      this.#pop();
      first = this.#heap[0];
    }
    return first === undefined ? Infinity : first.atNs;
  }

  /** Makes the first call. There has to be one: see {@link nextNs}. */
  readonly runNext = (): void => {
    const due = this.#pop();
    const { run } = due;
    // One that was made is not counted as cancelled later.
    due.run = undefined;
    run?.();
  };

  #pop(): Planned {
    const heap = this.#heap;
    const first = heap[0] as Planned;
    const last = heap.pop() as Planned;
    if (heap.length > 0) this.#sink(last);
    return first;
  }

  #rise(planned: Planned): void {
    const heap = this.#heap;
    let at = heap.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] as Planned;
      if (isBefore(above, planned)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = planned;
  }

  #sink(planned: Planned): void {
    const heap = this.#heap;
    const { length } = heap;
    let at = 0;
    while (true) {
      let child = 2 * at + 1;
      if (child >= length) break;
      if (child + 1 < length && isBefore(heap[child + 1] as Planned, heap[child] as Planned)) child += 1;
      const below = heap[child] as Planned;
      if (isBefore(planned, below)) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = planned;
  }

  #sweep(): void {
    const kept = this.#heap.filter(({ run }) => run !== undefined);
    this.#heap.length = 0;
    this.#cancelled = 0;
    for (const planned of kept) this.#rise(planned);
  }
}

function isBefore(one: Planned, other: Planned): boolean {
  return one.atNs < other.atNs || (one.atNs === other.atNs && one.order < other.order);
}
