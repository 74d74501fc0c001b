/**
 * Owns the sources of a chat channel's output other than a push: objects with `more()`, iterables and async iterables.
 * Knows no channel.
 */

import { checkInteger, checkObject } from "../../backend/check.js";
import { partOf } from "../../net/plain-bytes.js";
import { NO_BYTES, type Bytes, bytesOf } from "./bytes.js";

/** asynchat's producer: returns its output piece by piece. */
export interface Producer {
  /** Returns the next piece, which must not change afterwards; an empty one ends the output. */
  more(): Bytes;
}

/** What `pushWithProducer` takes. An async iterable works only under `loop`, which does not block. */
export type ProducerLike = Producer | Iterable<Bytes> | AsyncIterable<Bytes>;

/** Makes a producer. `signal` is aborted if the channel cancels it, by closing or by discarding its queue. */
export type ProducerFunction = (signal: AbortSignal) => ProducerLike;

/** Returns bytes in pieces of `bufferSize`. asynchat.simple_producer. */
export class SimpleProducer implements Producer {
  readonly #data: Uint8Array;
  readonly #bufferSize: number;
  #at = 0;

  /** @param data not copied: it must not change until it is sent */
  constructor(data: Bytes, bufferSize = 512) {
    checkInteger("bufferSize", bufferSize, 1, Number.MAX_SAFE_INTEGER);
    this.#data = bytesOf("data", data);
    this.#bufferSize = bufferSize;
  }

  more(): Uint8Array {
    const start = this.#at;
    this.#at = Math.min(start + this.#bufferSize, this.#data.length);
    return partOf(this.#data, start, this.#at);
  }
}

/** A producer of any kind, as seen by a channel's output queue. */
export interface Source {
  /** Is the next piece not ready yet? */
  readonly isWaiting: boolean;
  /** The next piece; empty at the end, undefined if not ready yet. @throws any error that the producer throws */
  next(): Uint8Array | undefined;
  /** Cancels: no more pieces are requested from the producer. */
  close(): void;
}

/**
 * Makes a source of a producer, or of what a function returns.
 * @param onArrival called when a piece that was not ready has arrived; never from inside `next`
 * @param onFailure called with an error that a producer throws when it is cancelled
 */
export function openSource(
  producer: ProducerLike | ProducerFunction,
  onArrival: () => void,
  onFailure: (error: unknown) => void,
): Source {
  if (typeof producer === "function") {
    const controller = new AbortController();
    return new AbortableSource(sourceOf(producer(controller.signal), onArrival, onFailure), controller);
  }
  return sourceOf(producer, onArrival, onFailure);
}

const PRODUCER =
  "an object with more(), an iterable or an async iterable of bytes, or a function that returns one of these";

function sourceOf(producer: ProducerLike, onArrival: () => void, onFailure: (error: unknown) => void): Source {
  checkObject("producer", producer, PRODUCER);
  if (isProducer(producer)) return new MoreSource(producer);
  if (Symbol.asyncIterator in producer) return new AsyncSource(producer, onArrival, onFailure);
  if (Symbol.iterator in producer) return new IterableSource(producer, onFailure);
  throw Object.assign(new TypeError(`"producer" must be ${PRODUCER}`), {
    code: "ERR_INVALID_ARG_TYPE",
  });
}

function isProducer(producer: object): producer is Producer {
  return "more" in producer && typeof producer.more === "function";
}

class MoreSource implements Source {
  readonly isWaiting = false;
  readonly #producer: Producer;

  constructor(producer: Producer) {
    this.#producer = producer;
  }

  next(): Uint8Array {
    return bytesOf("more()", this.#producer.more());
  }

  close(): void {
    // asynchat's producers have no way to be cancelled.
  }
}

class IterableSource implements Source {
  readonly isWaiting = false;
  readonly #iterator: Iterator<Bytes>;
  readonly #onFailure: (error: unknown) => void;
  #ended = false;

  constructor(iterable: Iterable<Bytes>, onFailure: (error: unknown) => void) {
    this.#iterator = iterable[Symbol.iterator]();
    this.#onFailure = onFailure;
  }

  next(): Uint8Array {
    while (!this.#ended) {
      const result = this.#step();
      if (result.done === true) break;
      const piece = bytesOf("piece", result.value);
      if (piece.length > 0) return piece;
    }
    this.#ended = true;
    return NO_BYTES;
  }

  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    try {
      this.#iterator.return?.();
    } catch (error) {
      this.#onFailure(error);
    }
  }

  #step(): IteratorResult<Bytes> {
    try {
      return this.#iterator.next();
    } catch (error) {
      this.#ended = true;
      throw error;
    }
  }
}

/** The source of a producer made by a function: cancelling it aborts the signal passed to the function. */
class AbortableSource implements Source {
  readonly #source: Source;
  readonly #controller: AbortController;

  constructor(source: Source, controller: AbortController) {
    this.#source = source;
    this.#controller = controller;
  }

  get isWaiting(): boolean {
    return this.#source.isWaiting;
  }

  next(): Uint8Array | undefined {
    return this.#source.next();
  }

  close(): void {
    try {
      this.#source.close();
    } finally {
      this.#controller.abort();
    }
  }
}

/** Requests one piece at a time, and only after the previous one was taken. */
class AsyncSource implements Source {
  readonly #iterable: AsyncIterable<Bytes> & Partial<AsyncDisposable>;
  readonly #iterator: AsyncIterator<Bytes>;
  readonly #onArrival: () => void;
  readonly #onFailure: (error: unknown) => void;
  #waiting = false;
  #ended = false;
  #piece: Uint8Array | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(iterable: AsyncIterable<Bytes>, onArrival: () => void, onFailure: (error: unknown) => void) {
    this.#iterable = iterable;
    this.#iterator = iterable[Symbol.asyncIterator]();
    this.#onArrival = onArrival;
    this.#onFailure = onFailure;
  }

  get isWaiting(): boolean {
    return this.#waiting;
  }

  next(): Uint8Array | undefined {
    const failure = this.#failure;
    if (failure !== undefined) {
      this.#failure = undefined;
      throw failure.error;
    }
    const piece = this.#piece;
    if (piece !== undefined) {
      this.#piece = undefined;
      return piece;
    }
    if (this.#ended) return NO_BYTES;
    if (!this.#waiting) this.#ask();
    return undefined;
  }

  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#giveUp().catch(this.#onFailure);
  }

  #ask(): void {
    this.#waiting = true;
    this.#request().then(
      (piece) => this.#arrived(() => (this.#piece = piece)),
      (error: unknown) => this.#arrived(() => (this.#failure = { error })),
    );
  }

  /** The next non-empty piece; undefined at the end, which includes an error of the iterator. */
  async #request(): Promise<Uint8Array | undefined> {
    while (!this.#ended) {
      const result = await this.#step();
      if (result.done === true) {
        this.#ended = true;
        break;
      }
      const piece = bytesOf("piece", result.value);
      if (piece.length > 0) return piece;
    }
    return undefined;
  }

  async #step(): Promise<IteratorResult<Bytes>> {
    try {
      return await this.#iterator.next();
    } catch (error) {
      this.#ended = true;
      throw error;
    }
  }

  #arrived(keep: () => void): void {
    this.#waiting = false;
    keep();
    this.#onArrival();
  }

  /**
   * An async generator handles `return` only after the piece already requested, which may never arrive; so an iterable
   * that can be disposed of, such as a Node stream, is disposed of as well.
   */
  async #giveUp(): Promise<void> {
    await Promise.all([this.#iterator.return?.(), this.#iterable[Symbol.asyncDispose]?.()]);
  }
}
