/**
 * Owns writing recordings: records are put into a buffer, and the buffer goes to a sink as a block. Knows the container;
 * knows neither what a record says nor what is behind the sink.
 *
 * A record is opened with the most that its body can take, so that its length has a fixed place before it: a varint of one,
 * two or five bytes, longer than it need be where the body turns out to be short.
 */

import { copyTo } from "../backend/bytes.js";
import { crc32 } from "./crc.js";
import {
  BLOCK_HEAD_BYTES,
  BLOCK_MAX,
  BlockType,
  CHECK_BYTES,
  DETAILS_MAX,
  HeaderAt,
  MAGIC,
  type RecordingHeader,
  VERSION,
} from "./format.js";

/** Takes the next bytes of a recording, which are valid during the call alone. Each call has whole blocks. */
export type ChunkSink = (chunk: Uint8Array) => void;

/** How large a block becomes before it is written. */
export const BLOCK_BYTES = 0x10_0000;
/** What a record may be short of its bound: kind and length. */
const RECORD_HEAD_MAX = 6;
/** Up to so many bytes are copied one by one. */
const COPY_MAX = 128;
const TWO_28 = 0x1000_0000;
/** A buffer that became so many times as large for one record is not kept. */
const KEPT_TIMES = 4;

const utf8 = new TextEncoder();

/** Collects records. What becomes of them when there is no more room is its heirs' matter. */
export abstract class RecordBuffer {
  held: Uint8Array<ArrayBuffer>;
  /** Of {@link held}. */
  #view: DataView;
  /** Where the next byte goes. The head of a block is in front. */
  at = BLOCK_HEAD_BYTES;
  /** No record takes more, with its head. */
  readonly recordMax: number;
  readonly #blockBytes: number;
  /** Of the record that is open: where its length is, and how many bytes it takes. */
  #lengthAt = 0;
  #lengthBytes = 0;
  /** There is no room for the record that is open: its contents are not kept. */
  #isDropped = false;

  /**
   * @param blockBytes from how many bytes on it {@link isFull}
   * @param recordMax a longer record is {@link dropped}
   */
  constructor(blockBytes: number, recordMax = BLOCK_MAX) {
    this.#blockBytes = blockBytes;
    this.recordMax = recordMax;
    this.held = this.newBytes();
    this.#view = new DataView(this.held.buffer);
  }

  /** How many bytes of records there are. */
  get pendingBytes(): number {
    return this.at - BLOCK_HEAD_BYTES;
  }

  /** Is it time to {@link flush}? Not done by itself, because a record is written where time matters. */
  get isFull(): boolean {
    return this.at >= this.#blockBytes;
  }

  /** Makes room. */
  abstract flush(): void;

  /** A record is left out, for which there is no room. Not thrown: the program that is recorded goes on. */
  abstract dropped(error: unknown): void;

  /** Begins a record whose body takes at most `most` bytes. What is put until {@link close} is its body. */
  open(kind: number, most: number): void {
    if (this.at + most + RECORD_HEAD_MAX + CHECK_BYTES > this.held.length) this.#makeRoom(most + RECORD_HEAD_MAX);
    this.held[this.at] = kind;
    this.#lengthAt = this.at + 1;
    this.#lengthBytes = most < 0x80 ? 1 : most < 0x4000 ? 2 : 5;
    this.at = this.#lengthAt + this.#lengthBytes;
  }

  close(): void {
    const bytes = this.held;
    const at = this.#lengthAt;
    if (this.#isDropped) {
      this.#isDropped = false;
      this.at = at - 1;
      return;
    }
    const length = this.at - at - this.#lengthBytes;
    if (this.#lengthBytes === 1) {
      bytes[at] = length;
    } else if (this.#lengthBytes === 2) {
      bytes[at] = (length & 0x7f) | 0x80;
      bytes[at + 1] = length >>> 7;
    } else {
      bytes[at] = (length & 0x7f) | 0x80;
      bytes[at + 1] = ((length >>> 7) & 0x7f) | 0x80;
      bytes[at + 2] = ((length >>> 14) & 0x7f) | 0x80;
      bytes[at + 3] = ((length >>> 21) & 0x7f) | 0x80;
      bytes[at + 4] = length >>> 28;
    }
  }

  /** A whole record. */
  add(kind: number, body: Uint8Array): void {
    this.open(kind, body.length);
    this.bytes(body, body.length);
    this.close();
  }

  byte(value: number): void {
    this.held[this.at++] = value;
  }

  /** A whole number from 0 to 2^53 - 1: 1 to 8 bytes. */
  varint(value: number): void {
    const bytes = this.held;
    let at = this.at;
    let rest = value;
    while (rest >= TWO_28) {
      bytes[at++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    while (rest >= 0x80) {
      bytes[at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    bytes[at] = rest;
    this.at = at + 1;
  }

  /** A whole number of up to 52 bits and a sign: 0, -1, 1, -2, ... as 0, 1, 2, 3, ... */
  signed(value: number): void {
    this.varint(value < 0 ? -2 * value - 1 : 2 * value);
  }

  uint32(value: number): void {
    const bytes = this.held;
    const at = this.at;
    bytes[at] = value;
    bytes[at + 1] = value >>> 8;
    bytes[at + 2] = value >>> 16;
    bytes[at + 3] = value >>> 24;
    this.at = at + 4;
  }

  /** The first `length` bytes of `source`, without their number. */
  bytes(source: Uint8Array, length: number): void {
    if (this.#isDropped) return;
    copyTo(this.held, length === source.length ? source : source.subarray(0, length), this.at);
    this.at += length;
  }

  /** `length` bytes of `source` from `from` on. A few are copied here: an array of them would cost more. */
  copy(source: DataView, from: number, length: number): void {
    if (this.#isDropped) return;
    const view = this.#view;
    const { at } = this;
    if (length > COPY_MAX) {
      copyTo(this.held, new Uint8Array(source.buffer, source.byteOffset + from, length), at);
    } else {
      let done = 0;
      for (; done + 4 <= length; done += 4) view.setInt32(at + done, source.getInt32(from + done, true), true);
      for (; done < length; done++) view.setUint8(at + done, source.getUint8(from + done));
    }
    this.at = at + length;
  }

  protected hold(bytes: Uint8Array<ArrayBuffer>): void {
    this.held = bytes;
    this.#view = new DataView(bytes.buffer);
  }

  protected newBytes(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#usualBytes);
  }

  /** Gives a buffer back that one long record has made large. Nothing may be in it. */
  protected shrink(): void {
    if (this.held.length > KEPT_TIMES * this.#usualBytes) this.hold(this.newBytes());
  }

  get #usualBytes(): number {
    return this.#blockBytes + this.#blockBytes / 4 + BLOCK_HEAD_BYTES + CHECK_BYTES;
  }

  /** The buffer is full: no record was flushed in time, or this one is long. */
  #makeRoom(needed: number): void {
    this.flush();
    const length = BLOCK_HEAD_BYTES + needed + CHECK_BYTES;
    try {
      if (needed > this.recordMax) throw new RangeError(`a record of ${needed} bytes is too long`);
      if (length > this.held.length) this.hold(new Uint8Array(length));
    } catch (error) {
      // Or there is no memory for it.
      this.#isDropped = true;
      this.dropped(error);
    }
  }
}

/** Writes the records of one recording. What the sink throws ends the recording, and leaves no call: see {@link failure}. */
export class RecordingWriter extends RecordBuffer {
  /** How many bytes have gone to the sink. */
  written = 0;
  readonly #sink: ChunkSink;
  #check: number;
  #failure: { readonly error: unknown } | undefined;
  #isEnded = false;

  constructor(sink: ChunkSink, header: RecordingHeader, blockBytes = BLOCK_BYTES, recordMax = BLOCK_MAX) {
    super(blockBytes, recordMax);
    this.#sink = sink;
    const bytes = headerBytes(header);
    this.#check = new DataView(bytes.buffer).getUint32(bytes.length - CHECK_BYTES, true);
    this.#give(bytes);
  }

  /** Why nothing is written any more: what the sink threw, or a record that was left out. */
  get failure(): { readonly error: unknown } | undefined {
    return this.#failure;
  }

  /** Does it take no more records, because it is ended or has failed? */
  get isOver(): boolean {
    return this.#isEnded || this.#failure !== undefined;
  }

  /** Records that another buffer has collected, as a block. */
  addAll(records: Uint8Array): void {
    this.flush();
    const held = this.held;
    this.hold(new Uint8Array(records.length + BLOCK_HEAD_BYTES + CHECK_BYTES));
    copyTo(this.held, records, BLOCK_HEAD_BYTES);
    this.at = BLOCK_HEAD_BYTES + records.length;
    this.flush();
    this.hold(held);
  }

  /** Gives everything so far to the sink, as a block. Nothing where there is nothing. */
  flush(): void {
    if (this.pendingBytes > 0) this.#flush(BlockType.RECORDS);
    this.shrink();
  }

  /** A recording with a gap would be taken for a whole one: it ends before it. */
  dropped(error: unknown): void {
    this.flush();
    this.#failure ??= { error };
  }

  /** The recording is whole. */
  end(): void {
    if (this.isOver) return;
    this.flush();
    if (this.#failure !== undefined) return;
    this.#flush(BlockType.END);
    this.#isEnded = true;
  }

  #flush(type: number): void {
    const length = this.pendingBytes;
    const bytes = this.held;
    this.at = BLOCK_HEAD_BYTES;
    // What comes after its end is dropped.
    if (this.isOver) return;
    const view = new DataView(bytes.buffer);
    view.setUint8(0, type);
    view.setUint32(1, length, true);
    const head = crc32(bytes, this.#check, 0, BLOCK_HEAD_BYTES - CHECK_BYTES);
    view.setUint32(BLOCK_HEAD_BYTES - CHECK_BYTES, head, true);
    const end = BLOCK_HEAD_BYTES + length;
    this.#check = crc32(bytes, head, BLOCK_HEAD_BYTES, end);
    view.setUint32(end, this.#check, true);
    this.#give(bytes.subarray(0, end + CHECK_BYTES));
  }

  #give(chunk: Uint8Array): void {
    try {
      this.#sink(chunk);
      this.written += chunk.length;
    } catch (error) {
      this.#failure = { error };
    }
  }
}

/** The bytes of the header. @throws RangeError where the details are too long */
export function headerBytes(header: RecordingHeader): Uint8Array<ArrayBuffer> {
  const details = utf8.encode(JSON.stringify(header.details));
  if (details.length > DETAILS_MAX) throw new RangeError("the details of a recording are too long");
  const end = HeaderAt.DETAILS + details.length;
  const bytes = new Uint8Array(end + CHECK_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(MAGIC);
  view.setUint8(HeaderAt.VERSION, VERSION);
  view.setUint8(HeaderAt.KIND, header.kind);
  view.setUint16(HeaderAt.FLAGS, header.flags ?? 0, true);
  view.setBigInt64(HeaderAt.REALTIME, header.realtimeNs, true);
  view.setBigInt64(HeaderAt.MONOTONIC, header.monotonicNs, true);
  view.setUint32(HeaderAt.LENGTH, details.length, true);
  bytes.set(details, HeaderAt.DETAILS);
  view.setUint32(end, crc32(bytes, 0, 0, end), true);
  return bytes;
}
