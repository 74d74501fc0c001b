/**
 * Owns one end of a byte stream between two sockets: what it has received, what it may send, and how it ends. Serves TCP,
 * where bytes are under way, and Unix sockets, where they are not. Knows no address and no descriptor.
 */

import { Ready } from "../backend/backend.js";
import { ByteQueue } from "./bytes.js";
import { E, SimFile } from "./file.js";
import type { Lane } from "./network.js";
import type { Surroundings } from "./surroundings.js";
import { Trace } from "./trace.js";

/** What one call sends at most in one segment. */
const SEGMENT_BYTES = 65_536;

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
  isInline = false;
  /** Reset, or its connect failed. */
  isDead = false;
  isWriteShut = false;
  isReadShut = false;
  /** The peer sends no more. */
  isEnded = false;
  /** The peer is closed. Unix sockets know it. */
  isPeerGone = false;
  protected isClosed = false;
  /** Its host crashed. */
  #isLost = false;
  readonly input = new ByteQueue();
  readonly #output = new ByteQueue();
  #inFlight = 0;
  #isEnding = false;
  /** Bytes since the connection began: sent, received, read. */
  #sent = 0;
  #received = 0;
  #read = 0;

  protected get receivedBytes(): number {
    return this.#received;
  }

  protected get readBytes(): number {
    return this.#read;
  }

  /** Where the last urgent byte is among those that are sent; -1: none. */
  #urgentOut = -1;
  /** The same among those that are received. */
  #urgentIn = -1;
  #urgentByte: number | "none" | "taken" = "none";

  constructor(around: Surroundings, sendBytes: number, receiveBytes: number) {
    super();
    this.around = around;
    this.sendBytes = sendBytes;
    this.receiveBytes = receiveBytes;
  }

  get isOpen(): boolean {
    return this.peer !== undefined;
  }

  override ready(): number {
    let bits = 0;
    if (this.isDead) bits = Ready.READ | Ready.WRITE | Ready.HANGUP;
    else {
      if (this.isEnded || this.isReadShut || this.#unread >= this.lowWater) bits |= Ready.READ;
      if (this.isWriteShut || this.isPeerGone || this.#isRoomy) bits |= Ready.WRITE;
      if (((this.isEnded || this.isReadShut) && this.isWriteShut) || this.isPeerGone) bits |= Ready.HANGUP;
    }
    if (typeof this.#urgentByte === "number") bits |= Ready.PRIORITY;
    return this.error === 0 ? bits : bits | Ready.ERROR;
  }

  override readableBytes(): number {
    return this.#unread;
  }

  override takeError(): number {
    const { error } = this;
    this.error = 0;
    return error;
  }

  /** How many bytes can be read before the call has to look for an end. */
  get #unread(): number {
    const isAtMark = this.#urgentIn === this.#read && !this.isInline;
    return Math.max(0, this.input.length - Number(isAtMark && this.input.length > 0));
  }

  get #room(): number {
    const { peer } = this;
    const held = this.lane === undefined && peer !== undefined ? peer.input.length : this.#inFlight;
    return this.sendBytes - this.#output.length - held;
  }

  /** As in Linux: a third of the buffer has to be free. */
  get #isRoomy(): boolean {
    return (this.sendBytes - this.#room) * 3 <= this.sendBytes * 2;
  }

  /** How many bytes a read of up to `most` may take now; or 0 at the end, or -errno. */
  #readable(most: number): number {
    if (this.#urgentIn === this.#read && !this.isInline && this.input.length > 0 && most > 0) {
      this.#skipUrgent();
    }
    let count = Math.min(most, this.input.length);
    if (this.#urgentIn > this.#read) count = Math.min(count, this.#urgentIn - this.#read);
    if (count > 0) {
      const { faults } = this.around;
      if (!faults.any) return count;
      if (faults.hits("not-ready", this.around.address, `${count} bytes are there`)) return -E.EAGAIN;
      if (count > 1 && faults.comes("short-read")) {
        const fewer = 1 + faults.random("short-read").below(count - 1);
        faults.list("short-read", this.around.address, `${fewer} of ${count} bytes`);
        return fewer;
      }
      return count;
    }
    const isTcp = this.lane !== undefined;
    if (most === 0 && (isTcp || this.input.length > 0)) return 0;
    // As in Linux: TCP that has received the end says so even after a reset.
    if (isTcp && this.isEnded) return 0;
    if (this.error !== 0) return this.takeError();
    if (this.isEnded || this.isReadShut || this.isDead || this.isPeerGone) return 0;
    return -E.EAGAIN;
  }

  /** What nobody has taken out of band is lost when a read gets there, or the next one comes, as in Linux. */
  #skipUrgent(): void {
    if (this.input.length === 0) return;
    this.input.skip(1);
    this.#read += 1;
    this.#urgentIn = -1;
    this.#urgentByte = "none";
  }

  read(target: Uint8Array, most: number): number {
    const count = this.#readable(most);
    if (count <= 0) return count;
    this.input.read(target, count);
    this.#wasRead(count);
    return count;
  }

  take(most: number): Uint8Array | number {
    const count = this.#readable(most);
    if (count <= 0) return count === 0 ? new Uint8Array(0) : count;
    const bytes = this.input.take(count);
    this.#wasRead(count);
    return bytes;
  }

  /** @returns 1, or -errno */
  readUrgent(target: Uint8Array, room: number): number {
    if (this.isInline || this.#urgentByte === "none" || this.#urgentByte === "taken") return -E.EINVAL;
    if (this.isDead && !this.isEnded) return -E.ENOTCONN;
    if (room > 0) target[0] = this.#urgentByte;
    this.#urgentByte = "taken";
    return Math.min(1, room);
  }

  #wasRead(count: number): void {
    this.#read += count;
    if (typeof this.#urgentByte === "number" && this.#read > this.#urgentIn) this.#urgentByte = "none";
    const { peer } = this;
    if (peer === undefined) return;
    if (this.lane === undefined) peer.changed();
    else peer.pump();
  }

  /** How many of `length` bytes a call to send may take; or -errno. */
  sendable(length: number): number {
    const isOver = this.isWriteShut || this.isDead || this.isPeerGone;
    // Unix sockets leave the error for a read.
    if (isOver && this.lane === undefined) return -E.EPIPE;
    if (this.error !== 0) return this.takeError();
    if (isOver) return -E.EPIPE;
    const room = this.#room;
    if (room <= 0 && length > 0) return -E.EAGAIN;
    const count = Math.min(room, length);
    const { faults, address } = this.around;
    if (!faults.any || count === 0) return count;
    if (faults.hits("enobufs", address, `${length} bytes to send`)) return -E.ENOBUFS;
    if (faults.hits("not-ready", address, `room for ${count} bytes`)) return -E.EAGAIN;
    if (count > 1 && faults.comes("short-write")) {
      const fewer = 1 + faults.random("short-write").below(count - 1);
      faults.list("short-write", address, `${fewer} of ${length} bytes`);
      return fewer;
    }
    return count;
  }

  /** Sends what {@link sendable} allows: the bytes belong to the stream. */
  transfer(bytes: Uint8Array, isUrgent = false): void {
    const { peer } = this;
    if (peer === undefined || bytes.length === 0) return;
    if (isUrgent) this.#urgentOut = this.#sent + this.#output.length + bytes.length - 1;
    if (this.lane === undefined) {
      this.#sent += bytes.length;
      peer.deliver(bytes, -1);
    } else if (this.#output.length === 0 && bytes.length <= SEGMENT_BYTES && this.#window >= bytes.length) {
      this.#transmit(bytes);
    } else {
      this.#output.push(bytes);
      this.pump();
    }
  }

  get #window(): number {
    const { peer } = this;
    return peer === undefined ? 0 : peer.receiveBytes - peer.input.length - this.#inFlight;
  }

  /** Sends what the receiver has room for, and then the end. */
  pump(): void {
    const output = this.#output;
    while (output.length > 0) {
      const count = Math.min(this.#window, output.length, SEGMENT_BYTES);
      if (count <= 0) return;
      this.#transmit(output.take(count));
    }
    if (!this.#isEnding) return;
    this.#isEnding = false;
    this.lane?.send(0, () => this.peer?.end());
  }

  #transmit(bytes: Uint8Array): void {
    const { faults, address } = this.around;
    const first = this.#sent;
    this.#sent += bytes.length;
    const urgentAt = this.#urgentOut >= first && this.#urgentOut < this.#sent ? this.#urgentOut : -1;
    if (faults.any && faults.comes("reset")) {
      const kept = faults.random("reset").below(bytes.length + 1);
      faults.list("reset", address, `after ${kept} of ${bytes.length} bytes`);
      this.#inFlight += bytes.length;
      this.lane?.send(kept, () => this.#breakAfter(bytes.subarray(0, kept)));
      return;
    }
    this.#inFlight += bytes.length;
    this.lane?.send(bytes.length, () => this.#arrived(bytes, urgentAt));
  }

  #arrived(bytes: Uint8Array, urgentAt: number): void {
    const { peer } = this;
    const wasRoomy = this.#isRoomy;
    this.#inFlight -= bytes.length;
    peer?.deliver(bytes, urgentAt);
    if (this.#output.length > 0 || this.#isEnding) this.pump();
    if (!wasRoomy && this.#isRoomy) this.changed();
  }

  #breakAfter(bytes: Uint8Array): void {
    const { peer } = this;
    if (bytes.length > 0) peer?.deliver(bytes, -1);
    peer?.fail(-E.ECONNRESET);
    this.fail(-E.ECONNRESET);
  }

  /** Bytes have arrived. */
  deliver(bytes: Uint8Array, urgentAt: number): void {
    const { around } = this;
    if (this.isClosed) {
      // Nobody will read it: the sender is notified.
      this.answerReset();
      return;
    }
    if (this.isDead) return;
    around.trace.add(Trace.ARRIVE, around.nowNs, around.index, bytes.length ^ ((bytes[0] ?? 0) << 24));
    if (this.isReadShut && this.lane === undefined) return;
    if (urgentAt >= 0 && this.#urgentIn === this.#read && !this.isInline) this.#skipUrgent();
    this.input.push(bytes);
    this.#received += bytes.length;
    if (urgentAt >= 0) {
      this.#urgentIn = urgentAt;
      this.#urgentByte = this.isInline ? "taken" : (bytes[urgentAt - (this.#received - bytes.length)] ?? 0);
    }
    this.changed();
  }

  /** The peer sends no more. */
  end(): void {
    if (this.isEnded || this.isDead) return;
    this.isEnded = true;
    this.around.trace.add(Trace.END, this.around.nowNs, this.around.index, 0);
    if (this.#isLost) this.answerReset();
    else this.changed();
  }

  /** It is reset: what it had to send is gone, what it had received can still be read. */
  fail(error: number): void {
    if (this.isDead) return;
    this.isDead = true;
    this.isWriteShut = true;
    this.#output.clear();
    this.#isEnding = false;
    this.around.trace.add(Trace.RESET, this.around.nowNs, this.around.index, 0);
    // Linux says EPIPE to one whose peer had ended the stream.
    if (!this.isClosed)
      this.error = error === -E.ECONNRESET && this.isEnded && this.lane !== undefined ? -E.EPIPE : error;
    this.changed();
  }

  /** Resets the peer, who has sent something to what is closed. */
  answerReset(): void {
    const { peer } = this;
    if (peer === undefined || this.isDead) return;
    this.isDead = true;
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
    if (this.lane === undefined) this.peer?.end();
    else {
      this.#isEnding = true;
      this.pump();
    }
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
    this.#isLost = true;
    this.isClosed = true;
    this.#output.clear();
    this.#isEnding = false;
    this.input.clear();
  }
}
