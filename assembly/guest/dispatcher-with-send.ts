/** Owns `DispatcherWithSend`, asyncore's `dispatcher_with_send`: a dispatcher whose `send` takes everything. */

import { ascii } from "./ascii";
import { SendQueue } from "./send-queue";
import { Dispatcher } from "./dispatcher";
import { Socket } from "./socket";

/** How much one call is given at most: asyncore's 64 KiB. */
const BYTES_A_SEND: i32 = 65_536;

/** What cannot be sent at once is kept, and sent when the socket can take it. */
export class DispatcherWithSend extends Dispatcher {
  private _queue: SendQueue = new SendQueue();
  /** Bytes that are being sent before any were queued; 0 once the send has found that the peer is gone. */
  private _direct: i32 = 0;

  constructor(socket: Socket | null = null) {
    super();
    if (socket !== null) this.setSocket(socket);
  }

  /** Bytes of pending output. In `handleClose`, what was still to be sent, unless the channel was closed before. asyncore: len(out_buffer). */
  get outBufferLength(): i32 {
    return this._direct + this._queue.length;
  }

  override writable(): bool {
    return this.connecting || this._queue.length > 0;
  }

  override handleWrite(): void {
    this.initiateSend();
  }

  /** Takes all of `data`, a copy of what has to wait, and sends what it can. @returns its length */
  override send(data: Uint8Array): i32 {
    const queue = this._queue;
    if (queue.length > 0 || this.connecting) {
      queue.push(data.dataStart, data.length);
      if (!this.connecting) this.initiateSend();
    } else {
      this._direct = data.length;
      const sent = this._sendBytes(data.dataStart, data.length);
      const unsent = this._direct - sent;
      this._direct = 0;
      queue.push(data.dataStart + sent, unsent);
    }
    this.setWriteInterest(queue.length > 0);
    return data.length;
  }

  /** Sends as much pending output as the kernel takes, at most 64 KiB. asyncore: initiate_send. */
  initiateSend(): void {
    const queue = this._queue;
    if (queue.length > 0) queue.drop(this._sendBytes(queue.start, min(queue.length, BYTES_A_SEND)));
    this.setWriteInterest(queue.length > 0);
  }

  /** Closes; what waits is dropped. */
  override close(): void {
    super.close();
    this.forgetOutput();
  }

  override get className(): string {
    return ascii("DispatcherWithSend");
  }

  protected override get managesWriting(): bool {
    return true;
  }

  protected override forgetOutput(): void {
    this._direct = 0;
    this._queue.clear();
  }
}
