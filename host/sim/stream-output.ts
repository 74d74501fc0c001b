/**
 * Owns what one end of a byte stream has taken to send: what waits, what is under way, and the end that comes last. Knows
 * the two ends by what it needs of them.
 */

import { counted } from "../backend/counted.js";
import { ByteQueue } from "./bytes.js";
import { E } from "./file.js";
import type { Lane } from "./network.js";
import type { Surroundings } from "./surroundings.js";

/** What one call sends at most in one segment. */
const SEGMENT_BYTES = 65_536;

/** The end that receives. */
interface Receiver {
  readonly receiveBytes: number;
  readonly input: { readonly length: number; readonly unread: number };
  deliver(bytes: Uint8Array, urgentAt: number): void;
  end(): void;
  fail(error: number): void;
}

/** The end that sends. Without a lane, both are on one host, and nothing is ever under way. */
interface Sender {
  readonly around: Surroundings;
  readonly peer: Receiver | undefined;
  readonly lane: Lane | undefined;
  readonly sendBytes: number;
  changed(): void;
  fail(error: number): void;
}

export class StreamOutput {
  readonly #sender: Sender;
  readonly #waiting = new ByteQueue();
  #inFlight = 0;
  #isEnding = false;
  /** Bytes since the connection began. */
  #sent = 0;
  /** Where the last urgent byte is among those that are sent; -1: none. */
  #urgentAt = -1;

  constructor(sender: Sender) {
    this.#sender = sender;
  }

  /** How many bytes may be taken. */
  get room(): number {
    const { lane, peer, sendBytes } = this.#sender;
    const held = lane === undefined && peer !== undefined ? peer.input.length : this.#inFlight;
    return sendBytes - this.#waiting.length - held;
  }

  /** As in Linux: a third of the buffer has to be free. */
  get isRoomy(): boolean {
    const { sendBytes } = this.#sender;
    return (sendBytes - this.room) * 3 <= sendBytes * 2;
  }

  /** Takes bytes, which are the stream's from now on. @param isUrgent is the last of them? */
  push(bytes: Uint8Array, isUrgent: boolean): void {
    const { lane, peer } = this.#sender;
    if (peer === undefined || bytes.length === 0) return;
    if (isUrgent) this.#urgentAt = this.#sent + this.#waiting.length + bytes.length - 1;
    if (lane === undefined) {
      this.#sent += bytes.length;
      peer.deliver(bytes, isUrgent ? this.#urgentAt : -1);
    } else if (this.#waiting.length === 0 && bytes.length <= SEGMENT_BYTES && this.#window >= bytes.length) {
      this.#transmit(bytes);
    } else {
      this.#waiting.push(bytes);
      this.pump();
    }
  }

  /** The end comes after what waits. */
  finish(): void {
    const { lane, peer } = this.#sender;
    if (lane === undefined) {
      peer?.end();
      return;
    }
    this.#isEnding = true;
    this.pump();
  }

  /** Drops what waits. */
  clear(): void {
    this.#waiting.clear();
    this.#isEnding = false;
  }

  get #window(): number {
    const { peer } = this.#sender;
    // An urgent byte that a read would pass over takes no room: nothing else may ever come that has it read.
    return peer === undefined ? 0 : peer.receiveBytes - peer.input.unread - this.#inFlight;
  }

  /** Sends what the receiver has room for, and then the end. */
  pump(): void {
    const waiting = this.#waiting;
    while (waiting.length > 0) {
      const count = Math.min(this.#window, waiting.length, SEGMENT_BYTES);
      if (count <= 0) return;
      this.#transmit(waiting.take(count));
    }
    if (!this.#isEnding) return;
    this.#isEnding = false;
    const sender = this.#sender;
    sender.lane?.send(0, () => sender.peer?.end());
  }

  #transmit(bytes: Uint8Array): void {
    const { around, lane } = this.#sender;
    const { faults, address } = around;
    const first = this.#sent;
    this.#sent += bytes.length;
    this.#inFlight += bytes.length;
    const urgentAt = this.#urgentAt >= first && this.#urgentAt < this.#sent ? this.#urgentAt : -1;
    if (faults.any && faults.comes("reset")) {
      const kept = faults.random("reset").below(bytes.length + 1);
      faults.list("reset", address, `after ${kept} of ${counted(bytes.length, "byte")}`);
      lane?.send(kept, () => this.#breakAfter(bytes.subarray(0, kept)));
      return;
    }
    lane?.send(bytes.length, () => this.#arrived(bytes, urgentAt));
  }

  #arrived(bytes: Uint8Array, urgentAt: number): void {
    const sender = this.#sender;
    const wasRoomy = this.isRoomy;
    this.#inFlight -= bytes.length;
    sender.peer?.deliver(bytes, urgentAt);
    if (this.#waiting.length > 0 || this.#isEnding) this.pump();
    if (!wasRoomy && this.isRoomy) sender.changed();
  }

  #breakAfter(bytes: Uint8Array): void {
    const sender = this.#sender;
    const { peer } = sender;
    if (bytes.length > 0) peer?.deliver(bytes, -1);
    peer?.fail(-E.ECONNRESET);
    sender.fail(-E.ECONNRESET);
  }
}
