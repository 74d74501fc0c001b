/** Owns `DispatcherWithSend`, asyncore's `dispatcher_with_send`: a dispatcher whose `send` takes everything. */

import { partOf, plainBytes } from "../net/plain-bytes.js";
import { Dispatcher } from "./dispatcher.js";
import { declareLibraryClass, declareLibraryMethods } from "./library.js";
import { SendQueue } from "./send-queue.js";

/** Output that cannot be sent at once is queued, and sent when the socket has room. */
export class DispatcherWithSend extends Dispatcher {
  readonly #queue = new SendQueue();
  /** Did the last send find that the peer is gone? */
  #outputLost = false;

  /** Bytes of pending output. asyncore: len(out_buffer). */
  get outBufferLength(): number {
    return this.#queue.length;
  }

  override writable(): boolean {
    return this.connecting || this.#queue.length > 0;
  }

  override handleWrite(): void {
    this.initiateSend();
  }

  /** Takes all of `data`: sends what it can, and queues a copy of the rest. @returns its length */
  override send(data: Uint8Array): number {
    const bytes = plainBytes("data", data);
    if (this.#queue.length > 0 || this.connecting) {
      this.#queue.pushCopy(bytes);
      if (!this.connecting) this.initiateSend();
    } else {
      this.#outputLost = false;
      const sent = super.send(bytes);
      if (sent < bytes.length && !this.#outputLost) this.#queue.pushCopy(partOf(bytes, sent, bytes.length));
    }
    this.setWriteInterest(this.#queue.length > 0);
    return bytes.length;
  }

  /** Sends as much pending output as it can, at most 64 KiB. asyncore: initiate_send. */
  initiateSend(): void {
    if (this.#queue.length > 0) this.#queue.drop(this.sendPieces(this.#queue.front()));
    this.setWriteInterest(this.#queue.length > 0);
  }

  /** Closes; pending output is dropped. */
  override close(): void {
    super.close();
    this.#queue?.clear();
  }

  protected override get managesWriting(): boolean {
    return true;
  }

  protected override outputLost(): void {
    super.outputLost();
    this.#outputLost = true;
    this.#queue.clear();
  }
}

declareLibraryClass(DispatcherWithSend);
declareLibraryMethods(DispatcherWithSend.prototype.writable);
