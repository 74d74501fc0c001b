/**
 * Owns streams, futures and sets as the Component Model's definitions.py has them: SharedStreamImpl, SharedFutureImpl, CopyEnd and
 * WaitableSet, over a memory of its own. Knows nothing of the host's.
 */

export const CopyResult = { COMPLETED: 0, DROPPED: 1, CANCELLED: 2 } as const;
export const BLOCKED = -1;

/** The rules have the component end here. */
export class ModelTrap extends Error {}

function trapIf(condition: boolean, what: string): void {
  if (condition) throw new ModelTrap(what);
}

class Buffer {
  progress = 0;
  readonly memory: Uint8Array;
  readonly size: number;
  readonly at: number;
  readonly length: number;

  constructor(memory: Uint8Array, size: number, at: number, length: number) {
    this.memory = memory;
    this.size = size;
    this.at = at;
    this.length = length;
  }

  get left(): number {
    return this.length - this.progress;
  }

  move(count: number, to: Buffer): void {
    const from = this.at + this.progress * this.size;
    this.memory.copyWithin(to.at + to.progress * to.size, from, from + count * this.size);
    this.progress += count;
    to.progress += count;
  }
}

interface Copy {
  readonly buffer: Buffer;
  readonly onCopy: () => void;
  readonly onDone: (result: number) => void;
}

/** What both ends of a stream or a future share. */
class Shared {
  readonly isFuture: boolean;
  #isDropped = false;
  #pending: Copy | undefined;

  constructor(isFuture: boolean) {
    this.isFuture = isFuture;
  }

  resetPending(): void {
    this.#pending = undefined;
  }

  notifyPending(result: number): void {
    const pending = this.#pending;
    this.#pending = undefined;
    pending?.onDone(result);
  }

  drop(): void {
    if (this.#isDropped) return;
    this.#isDropped = true;
    this.notifyPending(CopyResult.DROPPED);
  }

  copy(mine: Copy, isReading: boolean): void {
    const { onDone, buffer } = mine;
    if (this.#isDropped) return onDone(CopyResult.DROPPED);
    const pending = this.#pending;
    if (pending === undefined) {
      this.#pending = mine;
      return;
    }
    const other = pending.buffer;
    const [from, to] = isReading ? [other, buffer] : [buffer, other];
    if (this.isFuture) {
      from.move(1, to);
      this.notifyPending(CopyResult.COMPLETED);
      return onDone(CopyResult.COMPLETED);
    }
    if (other.left > 0) {
      if (buffer.left > 0) {
        from.move(Math.min(from.left, to.left), to);
        pending.onCopy();
      }
      return onDone(CopyResult.COMPLETED);
    }
    if (!isReading && buffer.length === 0 && other.length === 0) return onDone(CopyResult.COMPLETED);
    this.notifyPending(CopyResult.COMPLETED);
    this.#pending = mine;
  }
}

export class ModelSet {
  readonly members = new Set<ModelEnd>();
}

export class ModelEnd {
  readonly isReader: boolean;
  state: "idle" | "copying" | "done" = "idle";
  set: ModelSet | undefined;
  readonly #shared: Shared;
  readonly #size: number;
  #event: (() => number) | undefined;

  private constructor(shared: Shared, size: number, isReader: boolean) {
    this.#shared = shared;
    this.#size = size;
    this.isReader = isReader;
  }

  /** @returns the reading end and the writing one */
  static pair(isFuture: boolean, size: number): readonly [ModelEnd, ModelEnd] {
    const shared = new Shared(isFuture);
    return [new ModelEnd(shared, size, true), new ModelEnd(shared, size, false)];
  }

  get isFuture(): boolean {
    return this.#shared.isFuture;
  }

  get hasEvent(): boolean {
    return this.#event !== undefined;
  }

  takeEvent(): number {
    const event = this.#event as () => number;
    this.#event = undefined;
    return event();
  }

  /** @returns the code of the copy, or BLOCKED */
  copy(memory: Uint8Array, at: number, length: number): number {
    trapIf(this.state !== "idle", "it has a copy, or is over");
    const { isFuture } = this;
    const buffer = new Buffer(memory, this.#size, at, isFuture ? 1 : length);
    const ending = (result: number): number => {
      const isOver = result === CopyResult.DROPPED || (isFuture && result === CopyResult.COMPLETED);
      this.state = isOver ? "done" : "idle";
      return isFuture ? result : result | (buffer.progress << 4);
    };
    this.state = "copying";
    const onCopy = (): void => {
      this.#event = () => {
        this.#shared.resetPending();
        return ending(CopyResult.COMPLETED);
      };
    };
    const onDone = (result: number): void => void (this.#event = () => ending(result));
    this.#shared.copy({ buffer, onCopy, onDone }, this.isReader);
    return this.hasEvent ? this.takeEvent() : BLOCKED;
  }

  cancel(): number {
    trapIf(this.state !== "copying", "it has no copy");
    if (!this.hasEvent) this.#shared.notifyPending(CopyResult.CANCELLED);
    return this.takeEvent();
  }

  drop(): void {
    trapIf(this.isFuture && !this.isReader && this.state !== "done", "it has no value");
    trapIf(this.state === "copying", "it has a copy");
    this.#shared.drop();
    this.join(undefined);
  }

  join(set: ModelSet | undefined): void {
    this.set?.members.delete(this);
    this.set = set;
    set?.members.add(this);
  }
}
