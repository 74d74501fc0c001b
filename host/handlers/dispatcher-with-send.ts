/** Owns `DispatcherWithSend`, asyncore's `dispatcher_with_send`: a dispatcher whose `send` takes everything. */

import { checkBytes } from "../backend/check.js";
import { Dispatcher } from "./dispatcher.js";
import { declareOurs } from "./overrides.js";
import { SendQueue } from "./send-queue.js";

/** What cannot be sent at once is kept, and sent when the socket can take it. */
export class DispatcherWithSend extends Dispatcher {
  readonly #queue = new SendQueue();
  /** Was the peer gone at the last send? */
  #outputLost = false;

  /** Bytes that wait to be sent. asyncore: len(out_buffer). */
  get outBufferLength(): number {
    return this.#queue.length;
  }

  override writable(): boolean {
    return this.connecting || this.#queue.length > 0;
  }

  override handleWrite(): void {
    this.initiateSend();
  }

  /** Takes all of `data`, a copy of what has to wait, and sends what it can. @returns its length */
  override send(data: Uint8Array): number {
    checkBytes("data", data);
    if (this.#queue.length > 0 || this.connecting) {
      this.#queue.pushCopy(data);
      if (!this.connecting) this.initiateSend();
    } else {
      this.#outputLost = false;
      const sent = super.send(data);
      if (sent < data.length && !this.#outputLost) this.#queue.pushCopy(data.subarray(sent));
    }
    this.setWriteInterest(this.#queue.length > 0);
    return data.length;
  }

  /** Sends what it can of what waits, 64 KiB at the most. asyncore: initiate_send. */
  initiateSend(): void {
    if (this.#queue.length > 0) this.#queue.drop(this.sendPieces(this.#queue.front()));
    this.setWriteInterest(this.#queue.length > 0);
  }

  /** Closes; what waits is dropped. */
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

declareOurs(DispatcherWithSend.prototype.writable);
