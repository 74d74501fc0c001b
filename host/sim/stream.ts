/**
 * Owns one end of a byte stream between two sockets: what it has received, what it may send, and how it ends. Serves TCP,
 * where bytes are under way, and Unix sockets, where they are not. Knows no address and no descriptor.
 */

import { counted } from "../backend/counted.js";
import { Ready } from "../backend/backend.js";
import { E, SimFile } from "./file.js";
import type { Lane } from "./network.js";
import { type Input, StreamInput } from "./stream-input.js";
import { StreamOutput } from "./stream-output.js";
import type { Surroundings } from "./surroundings.js";
import { Trace } from "./trace.js";

/** The two ends know each other; `lane` is the way to the other one, and undefined on one host without a network between. */
export class Stream extends SimFile {
  readonly around: Surroundings;
  peer: Stream | undefined;
  lane: Lane | undefined;
  /** Pending, as -errno. */
  error = 0;
  sendBytes: number;
  receiveBytes: number;
  /** SO_RCVLOWAT. */
  lowWater = 1;
  /** Reset, or its connect failed. */
  isDead = false;
  isWriteShut = false;
  isReadShut = false;
  /** The peer sends no more. */
  isEnded = false;
  /** The peer is closed. Unix sockets know it. */
  isPeerGone = false;
  protected isClosed = false;
  /** {@link Place.crashes} of its host when it was made. */
  readonly #crashes: number;
  readonly input: Input;
  readonly #output = new StreamOutput(this);

  constructor(around: Surroundings, sendBytes: number, receiveBytes: number, input: Input = new StreamInput()) {
    super();
    this.input = input;
    this.around = around;
    this.#crashes = around.crashes;
    this.sendBytes = sendBytes;
    this.receiveBytes = receiveBytes;
  }

  get isInline(): boolean {
    return this.input.isInline;
  }

  set isInline(on: boolean) {
    this.input.isInline = on;
  }

  get isOpen(): boolean {
    return this.peer !== undefined;
  }

  /** Its host has crashed since it was made. */
  protected get isLost(): boolean {
    return this.around.crashes !== this.#crashes;
  }

  override ready(): number {
    let bits = 0;
    if (this.isDead) bits = Ready.READ | Ready.WRITE | Ready.HANGUP;
    else {
      if (this.isEnded || this.isReadShut || this.input.reaches(this.lowWater)) bits |= Ready.READ;
      if (this.isWriteShut || this.isPeerGone || this.#output.isRoomy) bits |= Ready.WRITE;
      if (((this.isEnded || this.isReadShut) && this.isWriteShut) || this.isPeerGone) bits |= Ready.HANGUP;
    }
    if (this.input.isUrgent) bits |= Ready.PRIORITY;
    return this.error === 0 ? bits : bits | Ready.ERROR;
  }

  override readableBytes(): number {
    return this.input.unread;
  }

  override takeError(): number {
    const { error } = this;
    this.error = 0;
    return error;
  }

  /** How many bytes a read of up to `most` may take now; or 0 at the end, or -errno. */
  #readable(most: number): number {
    const count = this.input.available(most);
    if (count > 0) {
      const { faults } = this.around;
      if (!faults.any) return count;
      if (faults.hits("not-ready", this.around.address, `${counted(count, "byte")} to receive`)) return -E.EAGAIN;
      if (count > 1 && faults.comes("short-read")) {
        const fewer = 1 + faults.random("short-read").below(count - 1);
        faults.list("short-read", this.around.address, `${fewer} of ${counted(count, "byte")}`);
        return fewer;
      }
      return count;
    }
    const isTcp = this.lane !== undefined;
    if (most === 0 && this.input.length > 0) return 0;
    // As in Linux: TCP that has received the end says so even after a reset.
    if (isTcp && this.isEnded) return 0;
    if (this.error !== 0) return this.takeError();
    if (this.isEnded || this.isReadShut || this.isDead || this.isPeerGone) return 0;
    return -E.EAGAIN;
  }

  read(target: Uint8Array, most: number): number {
    if (most > 0) this.input.skipUrgent();
    const count = this.#readable(most);
    if (count <= 0) return count;
    this.input.read(target, count);
    this.#wasRead();
    return count;
  }

  /** Reads, and leaves all of it unread. */
  peek(target: Uint8Array, most: number): number {
    const count = this.#readable(most);
    if (count > 0) this.input.peek(target, count);
    return count;
  }

  take(most: number): Uint8Array | number {
    if (most > 0) this.input.skipUrgent();
    const count = this.#readable(most);
    if (count <= 0) return count === 0 ? new Uint8Array(0) : count;
    const bytes = this.input.take(count);
    this.#wasRead();
    return bytes;
  }

  /** @returns 1, or -errno */
  readUrgent(target: Uint8Array, room: number): number {
    if (!this.input.isUrgent || this.isInline) return -E.EINVAL;
    if (this.isDead && !this.isEnded) return -E.ENOTCONN;
    const byte = this.input.takeUrgent();
    if (room > 0 && byte !== undefined) target[0] = byte;
    this.#wasRead();
    return Math.min(1, room);
  }

  #wasRead(): void {
    const { peer } = this;
    if (peer === undefined) return;
    if (this.lane === undefined) peer.changed();
    else peer.#output.pump();
  }

  /** How many of `length` bytes a call to send may take; or -errno. */
  sendable(length: number): number {
    const isOver = this.isWriteShut || this.isDead || this.isPeerGone;
    // Unix sockets leave the error for a read.
    if (isOver && this.isOpen && this.lane === undefined) return -E.EPIPE;
    if (this.error !== 0) return this.takeError();
    if (isOver) return -E.EPIPE;
    const room = this.#output.room;
    if (room <= 0 && length > 0) return -E.EAGAIN;
    const count = Math.min(room, length);
    const { faults, address } = this.around;
    if (!faults.any || count === 0) return count;
    if (faults.hits("enobufs", address, `${counted(length, "byte")} to send`)) return -E.ENOBUFS;
    if (faults.hits("not-ready", address, `room for ${counted(count, "byte")}`)) return -E.EAGAIN;
    if (count > 1 && faults.comes("short-write")) {
      const fewer = 1 + faults.random("short-write").below(count - 1);
      faults.list("short-write", address, `${fewer} of ${counted(length, "byte")}`);
      return fewer;
    }
    return count;
  }

  /** Sends what {@link sendable} allows: the bytes belong to the stream. */
  transfer(bytes: Uint8Array, isUrgent = false): void {
    this.#output.push(bytes, isUrgent);
  }

  /** Bytes have arrived. */
  deliver(bytes: Uint8Array, urgentAt: number): void {
    const { around } = this;
    if (this.isClosed || this.isLost) {
      // Nobody will read it: the sender is notified.
      this.answerReset();
      return;
    }
    if (this.isDead) return;
    around.trace.add(Trace.ARRIVE, around.nowNs, around.index, bytes.length ^ ((bytes[0] ?? 0) << 24));
    if (this.isReadShut && this.lane === undefined) return;
    this.input.push(bytes, urgentAt);
    this.changed();
  }

  /** The peer sends no more. */
  end(): void {
    if (this.isLost) return this.answerReset();
    if (this.isEnded || this.isDead) return;
    this.isEnded = true;
    this.around.trace.add(Trace.END, this.around.nowNs, this.around.index, 0);
    this.changed();
  }

  /** It is reset: what it had to send is gone, what it had received can still be read. */
  fail(error: number): void {
    if (this.isDead) return;
    this.isDead = true;
    this.isWriteShut = true;
    this.#output.clear();
    this.around.trace.add(Trace.RESET, this.around.nowNs, this.around.index, 0);
    // Linux says EPIPE to one whose peer had ended the stream.
    if (!this.isClosed)
      this.error = error === -E.ECONNRESET && this.isEnded && this.lane !== undefined ? -E.EPIPE : error;
    this.changed();
  }

  /** Resets the peer, who has sent something to what is closed. */
  answerReset(): void {
    const { peer } = this;
    // A host that is back answers whatever comes: what it had answered before it crashed may be lost.
    if (peer === undefined || (this.isDead && !this.isLost)) return;
    this.isDead = true;
    this.#output.clear();
    this.lane = this.lane?.afresh();
    this.sendReset();
  }

  protected sendReset(): void {
    if (this.lane === undefined) this.peer?.fail(-E.ECONNRESET);
    else this.lane.send(0, () => this.peer?.fail(-E.ECONNRESET));
  }

  shutRead(): void {
    this.isReadShut = true;
    if (this.lane === undefined && this.peer !== undefined) {
      this.peer.isWriteShut = true;
      this.peer.changed();
    }
    this.changed();
  }

  shutWrite(): void {
    if (this.isWriteShut) return;
    this.isWriteShut = true;
    this.#output.finish();
    this.changed();
  }

  /** The last descriptor is closed. What was accepted is still sent. @param isReset SO_LINGER of 0 seconds */
  closeStream(isReset: boolean): void {
    this.isClosed = true;
    const { peer } = this;
    if (peer === undefined || this.isDead) return;
    const isUnread = this.input.length > 0;
    this.input.clear();
    if (this.lane === undefined) {
      peer.isPeerGone = true;
      peer.isEnded = true;
      if (isUnread) peer.error = -E.ECONNRESET;
      peer.changed();
    } else if (isReset || isUnread) {
      this.isDead = true;
      this.#output.clear();
      this.sendReset();
    } else {
      this.shutWrite();
    }
  }

  override release(): void {
    this.closeStream(false);
  }

  override abandon(): void {
    this.isClosed = true;
    this.#output.clear();
    this.input.clear();
    // What waits for room at the peer's goes on its way, as a probe of the window would: so it learns of the crash.
    const { lane, peer } = this;
    if (lane !== undefined && peer !== undefined) peer.#output.pump();
  }
}
