/**
 * Owns the sending of a chat channel's output: what goes to the socket at once, and what is pending until the socket has
 * room. Knows neither water marks nor what ends a connection; leaves its timers to TimedDispatcher.
 */

import { handleThrown } from "../../loop/channel.js";
import { checkInteger } from "../../backend/check.js";
import { OSError } from "../../backend/errors.js";
import { logThrown } from "../../backend/log.js";
import { describeThrown } from "../../backend/traceback.js";
import { partOf } from "../../net/plain-bytes.js";
import { declareLibraryClass, declareLibraryMethods, declareSampledMethods, isOverride } from "../library.js";
import { type Mark, Outgoing } from "./outgoing.js";
import type { Source } from "./producers.js";
import { TimedDispatcher } from "./timed-dispatcher.js";

const SIZE_MAX = 0x7fffffff;
/** Bounds on what one channel sends in one call of `push` or `handleWrite`, so that the others have their turn. */
const SENDS_A_TURN = 16;
const BYTES_A_TURN = 1_048_576;
/** How far producers are ahead of the socket at most: a peer that reads slowly must not cost more memory. */
const PRODUCED_BYTES = 65_536;

/** What `AsyncChat` sends with; not meant to be used without it. */
export abstract class SendingDispatcher extends TimedDispatcher {
  // A value of the class, as in asynchat, so that connections need no memory for it.

  /** Maximum number of bytes per send; default 1 MiB. asynchat: ac_out_buffer_size. */
  declare acOutBufferSize: number;

  /** Pending output; made when there is any for the first time. */
  #out: Outgoing | undefined;
  /** Did the last send take only part of its bytes? Then the socket is full, and a write event follows when it has room. */
  #blocked = false;
  /**
   * Is a send being made? -1 if not; otherwise how many of the bytes it is about are not in `#out`. What is pushed meanwhile, by an
   * overridden `send` or by `handleError`, comes after it.
   */
  #sending = -1;
  /** How often pending output has been discarded. */
  #discards = 0;
  /** Bytes sent since {@link sendUntilFull} began. */
  #sentBytes = 0;

  /**
   * Bytes of pending output; pieces that a producer has not yet returned do not count. In `handleClose`, what was still to
   * be sent, unless the channel was closed before.
   */
  get outBufferLength(): number {
    return Math.max(this.#sending, 0) + (this.#out?.length ?? 0);
  }

  /**
   * Is output pending: bytes, a producer that has not ended, or a close or an end of writing that waits for them? In
   * `handleClose`, whether something was still to be sent, unless the channel was closed before.
   * asynchat: len(producer_fifo) > 0.
   */
  get hasPendingOutput(): boolean {
    return this.#sending > 0 || this.#out?.isEmpty === false;
  }

  /** Drops all pending output. asynchat: discard_buffers. */
  discardBuffers(): void {
    this.discardOutput();
    this.outputDropped();
    this.updateInterest();
  }

  /** Sends once, at most {@link acOutBufferSize} bytes. asynchat: initiate_send. */
  initiateSend(): void {
    try {
      SendingDispatcher.#send(this);
    } finally {
      this.updateInterest();
    }
  }

  // Called by the loop.

  /** True while connecting, or with output to send. */
  override writable(): boolean {
    return this.connecting || this.wantsToWrite;
  }

  override handleWrite(): void {
    SendingDispatcher.#sendUntilFull(this);
  }

  override addChannel(): void {
    this.updateInterest();
    super.addChannel();
  }

  // Used by the subclasses.

  /** Without a connection nothing can be sent, and write events would repeat endlessly. */
  protected get wantsToWrite(): boolean {
    return (this.connected || this.connecting) && this.#out?.isReady === true;
  }

  protected updateInterest(): void {
    this.setWriteInterest(this.wantsToWrite);
  }

  /** Sends what the socket takes, and queues a copy of the rest. */
  protected output(data: Uint8Array): void {
    const pending = this.#out;
    const waits = !this.connected || this.#blocked || this.#sending >= 0;
    const isFirst = pending === undefined || pending.isEmpty;
    if (!waits && isFirst && !isOverride(this.initiateSend)) {
      if (data.length > 0) SendingDispatcher.#sendDirectly(this, data);
      return;
    }
    SendingDispatcher.#pending(this).push(data);
    if (waits) this.updateInterest();
    else if (isFirst) SendingDispatcher.#sendUntilFull(this);
    else this.initiateSend();
  }

  /** Adds a source or an action, after everything queued already. */
  protected append(entry: Source | Mark): void {
    SendingDispatcher.#pending(this).append(entry);
    if (typeof entry === "string" || this.#blocked) this.updateInterest();
    else this.initiateSend();
  }

  /** Takes an action, when everything before it has been sent. @returns whether what follows it may be sent */
  protected abstract act(mark: Mark): boolean;

  /** Drops all pending output; producers are cancelled. */
  protected discardOutput(): void {
    this.#blocked = false;
    this.#sending = Math.min(this.#sending, 0);
    this.#discards += 1;
    this.#out?.clear();
  }

  protected override get managesWriting(): boolean {
    return true;
  }

  protected override forgetOutput(): void {
    this.discardOutput();
  }

  protected override outputLost(): void {
    const discards = this.#discards;
    try {
      super.outputLost();
    } finally {
      // A handleClose that has begun a new life may have pushed output for it.
      if (discards === this.#discards) {
        const isToClose = this.#out?.has("close") === true;
        this.discardOutput();
        this.setWriteInterest(false);
        if (isToClose) this.act("close");
      }
    }
  }

  /** @throws Error ERR_TLS_OUTPUT_PENDING where pieces of a producer would be encrypted that were queued before */
  protected override get plainOutputLength(): number {
    if (this.#out?.hasSource !== true) return this.outBufferLength;
    const message = "startTls() while the output of a producer is pending: start it when that has been sent";
    throw Object.assign(new Error(message), { code: "ERR_TLS_OUTPUT_PENDING" });
  }

  /** Handles a failed operation. asynchat calls handle_error at once, and goes on. */
  protected handleFailure(error: unknown): void {
    if (!(error instanceof OSError)) throw error;
    handleThrown(this, error, false);
  }

  protected override continueSending(): void {
    if (!this.#blocked && this.#out?.isReady === true) this.initiateSend();
  }

  /** Logs an error that a producer threw when it was cancelled. */
  protected logCancelled(error: unknown): void {
    try {
      this.logInfo(`${this} gave up a producer, which threw (${describeThrown(error)})`, "error");
    } catch (thrown) {
      logThrown("uncaptured exception while logging", thrown);
    }
  }

  static #pending(channel: SendingDispatcher): Outgoing {
    return (channel.#out ??= new Outgoing());
  }

  /** Sends until the socket is full, up to a bound that leaves the other channels their turn. */
  static #sendUntilFull(channel: SendingDispatcher): void {
    channel.#sentBytes = 0;
    for (let sends = 0; sends < SENDS_A_TURN; sends++) {
      const before = channel.#sentBytes;
      channel.initiateSend();
      if (channel.#sentBytes === before || channel.#sentBytes >= BYTES_A_TURN) return;
      if (channel.#blocked || !channel.connected || channel.#out?.hasBytes !== true) return;
    }
  }

  /** The same for bytes that come before everything pending, and are not copied unless they have to wait. */
  static #sendDirectly(channel: SendingDispatcher, data: Uint8Array): void {
    const size = SendingDispatcher.#sendSize(channel);
    const discards = channel.#discards;
    let at = 0;
    try {
      for (let sends = 0; sends < SENDS_A_TURN && at < data.length && at < BYTES_A_TURN; sends++) {
        const end = Math.min(at + size, data.length);
        const piece = at === 0 && end === data.length ? data : partOf(data, at, end);
        const sent = SendingDispatcher.#transmit(channel, piece, undefined, data.length - at);
        if (discards !== channel.#discards) break;
        at += sent;
        channel.#blocked = at < end;
        if (channel.#blocked) break;
      }
    } finally {
      if (at < data.length && discards === channel.#discards)
        SendingDispatcher.#pending(channel).pushFront(partOf(data, at, data.length));
      channel.updateInterest();
    }
  }

  /** Sends once, and takes the actions that come before. */
  static #send(channel: SendingDispatcher): void {
    const out = channel.#out;
    const size = SendingDispatcher.#sendSize(channel);
    if (out === undefined || channel.#sending >= 0) return;
    channel.#blocked = false;
    while (channel.connected && !out.isEmpty) {
      out.fill(Math.min(size, PRODUCED_BYTES));
      if (out.readyLength > 0) return SendingDispatcher.#sendPending(channel, out, size);
      const mark = out.takeMark();
      // What remains is a producer whose next piece is not ready yet.
      if (mark === undefined || !channel.act(mark)) return;
    }
  }

  static #sendPending(channel: SendingDispatcher, out: Outgoing, size: number): void {
    // Through `send` where a subclass overrides it, so that it sees all output.
    const isSingle = out.pieceCount === 1 || isOverride(channel.send);
    const first = isSingle ? out.firstPiece(size) : undefined;
    const pieces = isSingle ? undefined : out.front(size);
    let given = first?.length ?? 0;
    if (pieces !== undefined) for (const piece of pieces) given += piece.length;
    if (given === 0) return;
    const discards = channel.#discards;
    const sent = SendingDispatcher.#transmit(channel, first, pieces, 0);
    if (discards !== channel.#discards) return;
    if (sent > 0) out.drop(sent);
    channel.#blocked = sent < given && !out.isEmpty;
  }

  /**
   * Sends one piece or several.
   * @param direct how many bytes are not pending, and are to be sent by this or after it
   * @returns how many bytes were taken; 0 if it failed, which has been handled
   */
  static #transmit(
    channel: SendingDispatcher,
    piece: Uint8Array | undefined,
    pieces: readonly Uint8Array[] | undefined,
    direct: number,
  ): number {
    let sent = 0;
    channel.#sending = direct;
    try {
      sent = piece === undefined ? channel.sendPieces(pieces ?? []) : channel.send(piece);
    } catch (error) {
      channel.handleFailure(error);
    } finally {
      channel.#sending = -1;
    }
    if (sent > 0) {
      channel.touch();
      channel.#sentBytes += sent;
    }
    return sent;
  }

  static #sendSize(channel: SendingDispatcher): number {
    const size = channel.acOutBufferSize;
    checkInteger("acOutBufferSize", size, 1, SIZE_MAX);
    return size;
  }
}

SendingDispatcher.prototype.acOutBufferSize = BYTES_A_TURN;

declareLibraryClass(SendingDispatcher);
declareLibraryMethods(SendingDispatcher.prototype.initiateSend);
declareSampledMethods(SendingDispatcher.prototype, "writable");
