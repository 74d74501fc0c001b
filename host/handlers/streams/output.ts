/**
 * Owns the output that a stream has given for a channel and the socket has not taken yet: one write at a time. Knows the
 * layer; knows no stream.
 */

import { partOf } from "../../net/plain-bytes.js";
import { isOverride } from "../library.js";
import { type Controls, type Layered, overlay } from "./layer.js";
import { libraryMethod } from "./tap.js";

/** A class that has a send queue of its own: DispatcherWithSend. */
interface Queued {
  readonly outBufferLength: number;
  initiateSend(): void;
}

/** Takes over the writing of a channel. Its handleWrite is not called any more. */
export class Output {
  readonly #channel: Layered & Partial<Queued>;
  readonly #controls: Controls;
  #pieces: Uint8Array[] = [];
  #done: (() => void) | undefined;

  constructor(channel: Layered & Partial<Queued>, controls: Controls) {
    this.#channel = channel;
    this.#controls = controls;
    overlay<Layered>(channel, { handleWrite: () => this.#flush() });
    if (isOverride(channel.writable)) {
      overlay<Layered>(channel, { writable: libraryMethod(() => channel.connecting || this.#isWaiting) });
    }
    controls.setWriteInterest(this.#isWaiting);
  }

  /** Sends everything, then calls `done`. Not to be called again before that. On a closed channel it never is. */
  write(pieces: readonly Uint8Array[], done: () => void): void {
    this.#pieces = [...pieces];
    this.#done = done;
    if (this.#channel.connected) this.#flush();
    else if (this.#channel.fd >= 0) this.#controls.setWriteInterest(true);
  }

  get #queued(): number {
    return this.#channel.outBufferLength ?? 0;
  }

  get #isWaiting(): boolean {
    return this.#done !== undefined || this.#queued > 0;
  }

  #flush(): void {
    const { fd } = this.#channel;
    if (this.#queued > 0) this.#channel.initiateSend?.();
    if (this.#queued === 0 && this.#channel.fd === fd) this.#sendPieces();
    if (this.#channel.fd >= 0) this.#controls.setWriteInterest(this.#isWaiting);
  }

  #sendPieces(): void {
    const { fd } = this.#channel;
    while (this.#pieces.length > 0) {
      const sent = this.#controls.sendNow(this.#pieces);
      // The peer is gone: the channel has closed.
      if (this.#channel.fd !== fd) return;
      this.#drop(sent);
      if (sent === 0) return;
    }
    const done = this.#done;
    this.#done = undefined;
    done?.();
  }

  #drop(count: number): void {
    let left = count;
    let whole = 0;
    for (const piece of this.#pieces) {
      if (piece.length > left) break;
      left -= piece.length;
      whole += 1;
    }
    this.#pieces.splice(0, whole);
    const [first] = this.#pieces;
    if (left > 0 && first !== undefined) this.#pieces[0] = partOf(first, left, first.length);
  }
}
