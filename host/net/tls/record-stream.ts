/**
 * Owns the stream on which node:tls reads and writes records where they pass through JavaScript: records that arrive are
 * passed on at once, records to be sent wait until the connection has taken them. Knows neither the connection nor node:tls.
 *
 * Of a Duplex it has the interface alone. Node's own buffers and ticks would delay each record, and hold what is held by
 * the connection already.
 */

import { Duplex } from "node:stream";

type Done = (error?: Error | null) => void;

/** Where records go. */
export interface Sink {
  /** There are records to send, or fewer were sent than there were. See {@link RecordStream.records}. */
  recordsWaiting(): void;
  /** Everything has been sent, close_notify included: the writing half can be ended. */
  outputEnded(): void;
}

export class RecordStream extends Duplex {
  readonly #sink: Sink;
  #records: Uint8Array[] = [];
  #done: Done[] = [];
  #isCorked = false;

  constructor(sink: Sink) {
    super({ allowHalfOpen: true, autoDestroy: false, emitClose: true });
    this.#sink = sink;
  }

  /** The records to be sent, oldest first. */
  get records(): readonly Uint8Array[] {
    return this.#records;
  }

  /** Passes on what has arrived. */
  give(data: Uint8Array): void {
    this.emit("data", data);
  }

  /** Drops `bytes` that were sent from the front of {@link records}. Once none are left, node:tls makes more. */
  sent(bytes: number): void {
    const records = this.#records;
    let left = bytes;
    let count = 0;
    for (let first = records[0]; first !== undefined && left >= first.length; first = records[count]) {
      left -= first.length;
      count += 1;
    }
    if (count < records.length) {
      const rest = records.slice(count);
      const first = rest[0];
      if (left > 0 && first !== undefined) rest[0] = first.subarray(left);
      this.#records = rest;
      return;
    }
    records.length = 0;
    const done = this.#done;
    if (done.length === 1) {
      done.pop()?.(null);
      return;
    }
    this.#done = [];
    for (const call of done) call(null);
  }

  /** Drops what is still to be sent; node:tls is not notified, since nothing will be. */
  clear(): void {
    this.#records = [];
    this.#done = [];
  }

  override write(chunk: unknown, encoding?: unknown, done?: unknown): boolean {
    this.#records.push(chunk as Uint8Array);
    this.#done.push((typeof encoding === "function" ? encoding : done) as Done);
    if (!this.#isCorked) this.#sink.recordsWaiting();
    return true;
  }

  override cork(): void {
    this.#isCorked = true;
  }

  override uncork(): void {
    this.#isCorked = false;
    if (this.#records.length > 0) this.#sink.recordsWaiting();
  }

  override end(...parameters: unknown[]): this {
    const done = parameters.at(-1);
    this.#sink.outputEnded();
    if (typeof done === "function") done();
    return this;
  }

  // Only what has been read is passed on, and the reader decides when to read.

  override pause(): this {
    return this;
  }

  override resume(): this {
    return this;
  }

  override _read(): void {}
}
