/**
 * Owns the times in a guest's recording: when a call, or the guest's host, begins to wait and goes on; and that the recording is
 * written then, because a guest is often killed while it waits. Knows the clock and the writer; knows no call.
 */

import type { RecordingWriter } from "../../record/writer.js";
import { GuestRecord } from "./format.js";

/** So many blocks may be written before waits in a row, and one more each {@link FLUSH_MS}: under load it costs next to nothing. */
const FLUSHES_MAX = 50;
const FLUSH_MS = 10;
const NS_PER_MS = 1e6;
const TIME_MAX = 8;

export class Times {
  /** Has the guest, or the call that it makes, begun to wait? */
  isWaiting = false;
  readonly #writer: RecordingWriter;
  #flushes = FLUSHES_MAX;
  #flushedMs = 0;
  /** When the time was recorded last. */
  #recordedNs = Math.round(performance.now() * NS_PER_MS);

  constructor(writer: RecordingWriter) {
    this.#writer = writer;
  }

  /** @param flushes may it be written now? */
  waits(flushes: boolean): void {
    const nowMs = this.record(GuestRecord.WAITS);
    this.isWaiting = true;
    if (!flushes) return;
    this.#flushes = Math.min(FLUSHES_MAX, this.#flushes + (nowMs - this.#flushedMs) / FLUSH_MS);
    this.#flushedMs = nowMs;
    if (this.#flushes < 1) return;
    this.#flushes -= 1;
    this.#writer.flush();
  }

  goesOn(): void {
    this.isWaiting = false;
    this.record(GuestRecord.GOES_ON);
  }

  /** @returns now */
  record(kind: number): number {
    const nowMs = performance.now();
    const nowNs = Math.round(nowMs * NS_PER_MS);
    const writer = this.#writer;
    writer.open(kind, TIME_MAX);
    writer.varint(nowNs - this.#recordedNs);
    writer.close();
    this.#recordedNs = nowNs;
    return nowMs;
  }
}
