/**
 * Owns what a channel's input has given and no iterator has taken yet, and the iterators that wait. Knows no channel.
 *
 * There is one for each channel, for good: an iterator that is left, and another that is begun, lose nothing.
 */

/** The flow of items, as seen by who supplies them. */
export interface Supply {
  /** Called when an iterator wants more: may call {@link ItemQueue.push} later. */
  resume(): void;
  /** Called when there is enough. */
  pause(): void;
}

export class ItemQueue {
  readonly #supply: Supply;
  readonly #bytesMax: number;
  readonly #items: Buffer[] = [];
  #bytes = 0;
  #end: { readonly error: unknown } | undefined;
  readonly #waiting: { resolve: (result: IteratorResult<Buffer, undefined>) => void; reject: (e: unknown) => void }[] =
    [];

  /** @param bytesMax with so many bytes, the supply is paused; 0: with any item */
  constructor(supply: Supply, bytesMax: number) {
    this.#supply = supply;
    this.#bytesMax = bytesMax;
  }

  push(item: Buffer): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) {
      this.#items.push(item);
      this.#bytes += item.length;
    } else {
      waiting.resolve({ done: false, value: item });
    }
    if (this.#isFull) this.#supply.pause();
  }

  /** No more items come. @param error thrown once, to the iterator that comes to the end; undefined: an orderly end */
  end(error?: unknown): void {
    if (this.#end !== undefined) return;
    const waiting = this.#waiting.splice(0);
    const isTaken = error !== undefined && waiting.length > 0;
    this.#end = { error: isTaken ? undefined : error };
    if (isTaken) waiting.shift()?.reject(error);
    for (const { resolve } of waiting) resolve({ done: true, value: undefined });
  }

  /** An iterator of what is to come. Leaving it pauses the supply. */
  iterate(): AsyncIterableIterator<Buffer> {
    let isOver = false;
    const iterator: AsyncIterableIterator<Buffer> = {
      next: () => (isOver ? Promise.resolve({ done: true, value: undefined }) : this.#next()),
      return: () => {
        isOver = true;
        if (this.#waiting.length === 0) this.#supply.pause();
        return Promise.resolve({ done: true, value: undefined });
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  #next(): Promise<IteratorResult<Buffer, undefined>> {
    const item = this.#items.shift();
    if (item !== undefined) {
      this.#bytes -= item.length;
      if (!this.#isFull) this.#supply.resume();
      return Promise.resolve({ done: false, value: item });
    }
    if (this.#end !== undefined) {
      const { error } = this.#end;
      this.#end = { error: undefined };
      return error === undefined ? Promise.resolve({ done: true, value: undefined }) : rejected(error);
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#supply.resume();
    });
  }

  get #isFull(): boolean {
    if (this.#waiting.length > 0) return false;
    return this.#bytesMax === 0 || this.#bytes >= this.#bytesMax;
  }
}

function rejected(error: unknown): Promise<never> {
  return Promise.reject(error instanceof Error ? error : Object.assign(new Error(String(error)), { cause: error }));
}
