/** Owns `DispatcherWithSend`, asyncore's `dispatcher_with_send`: a dispatcher whose `send` takes everything. */

import { partOf, plainBytes } from "../net/plain-bytes.js";
import { Dispatcher } from "./dispatcher.js";
import { declareLibraryClass, declareSampledMethods } from "./library.js";
import { SendQueue } from "./send-queue.js";

/** Output that cannot be sent at once is queued, and sent when the socket has room. */
export class DispatcherWithSend extends Dispatcher {
  /** Pending output; undefined while there is none. */
  #queue: SendQueue | undefined;
  /** Bytes that are being sent before any were queued; 0 once the send has found that the peer is gone. */
  #direct = 0;

  /**
   * Bytes of pending output. In `handleClose`, what was still to be sent, unless the channel was closed before.
   * asyncore: len(out_buffer).
   */
  get outBufferLength(): number {
    return this.#direct + (this.#queue?.length ?? 0);
  }

  override writable(): boolean {
    return this.connecting || this.#queue !== undefined;
  }

  override handleWrite(): void {
    this.initiateSend();
  }

  /** Takes all of `data`: sends what it can, and queues a copy of the rest. @returns its length */
  override send(data: Uint8Array): number {
    const bytes = plainBytes("data", data);
    if (this.#queue !== undefined || this.connecting) {
      DispatcherWithSend.#keep(this, bytes);
      if (!this.connecting) this.initiateSend();
    } else {
      this.#direct = bytes.length;
      try {
        const sent = super.send(bytes);
        if (sent < this.#direct) DispatcherWithSend.#keep(this, partOf(bytes, sent, bytes.length));
      } finally {
        this.#direct = 0;
      }
    }
    DispatcherWithSend.#updateInterest(this);
    return bytes.length;
  }

  /** Sends as much pending output as it can, at most 1 MiB. asyncore: initiate_send. */
  initiateSend(): void {
    const queue = this.#queue;
    if (queue !== undefined) {
      queue.drop(this.sendPieces(queue.front()));
      if (queue.length === 0 && queue === this.#queue) this.#queue = undefined;
    }
    DispatcherWithSend.#updateInterest(this);
  }

  /** Closes; pending output is dropped. */
  override close(): void {
    super.close();
    this.#queue = undefined;
    this.#direct = 0;
  }

  protected override get managesWriting(): boolean {
    return true;
  }

  protected override get plainOutputLength(): number {
    return this.outBufferLength;
  }

  protected override forgetOutput(): void {
    this.#queue = undefined;
    this.#direct = 0;
  }

  protected override outputLost(): void {
    const queue = this.#queue;
    try {
      super.outputLost();
    } finally {
      // A handleClose that has begun a new life may have queued output for it.
      if (this.#queue === queue) this.#queue = undefined;
      this.#direct = 0;
    }
  }

  static #keep(channel: DispatcherWithSend, data: Uint8Array): void {
    if (data.length > 0) (channel.#queue ??= new SendQueue()).pushCopy(data);
  }

  static #updateInterest(channel: DispatcherWithSend): void {
    channel.setWriteInterest(channel.#queue !== undefined);
  }
}

declareLibraryClass(DispatcherWithSend);
declareSampledMethods(DispatcherWithSend.prototype, "writable");
