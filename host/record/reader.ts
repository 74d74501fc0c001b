/**
 * Owns reading recordings: block by block, each checked before anything of it is used. Knows the container; knows not what
 * a record says.
 *
 * A file that ends inside a block was cut off, by a crash or a full disk: it is read up to its last whole block, and says so.
 * A file whose bytes do not match their checks is refused where that is found.
 */

import { checkMethods } from "../backend/check.js";
import { crc32 } from "./crc.js";
import {
  BLOCK_HEAD_BYTES,
  BLOCK_MAX,
  BlockType,
  CHECK_BYTES,
  DETAILS_MAX,
  FLAGS_KNOWN,
  HeaderAt,
  MAGIC,
  type RecordingHeader,
  RecordingError,
  RecordingKind,
  VERSION,
} from "./format.js";

/** Where a recording is read from. */
export interface RecordingSource {
  /** In bytes. */
  readonly size: number;
  /** Up to `length` bytes from `at`; fewer at the end alone. Valid for as long as the reader is used. */
  read(at: number, length: number): Uint8Array;
  close(): void;
}

/** A recording in memory. @throws TypeError */
export function sourceOf(bytes: Uint8Array): RecordingSource {
  // Those of another realm are taken as well: a browser's frame, or node:vm.
  checkMethods("bytes", bytes, "a Uint8Array", ["subarray"]);
  // A slice of a Buffer would not be a copy.
  const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { size: plain.length, read: (at, length) => plain.subarray(at, at + length), close: () => undefined };
}

/** How a recording ends. */
export type RecordingEnd =
  /** As it should. */
  | "whole"
  /** In the middle: the program was killed, or the disk was full. */
  | "cut off";

/** The fields of one record. Each is checked: @throws RecordingError for what is not there */
export class Fields {
  /** Set by {@link RecordingReader.next}. */
  bytes: Uint8Array = new Uint8Array(0);
  at = 0;
  end = 0;

  get isAtEnd(): boolean {
    return this.at >= this.end;
  }

  get left(): number {
    return this.end - this.at;
  }

  /** The next record of another reader's fields is to be read here. */
  set(bytes: Uint8Array, at: number, end: number): void {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  byte(): number {
    if (this.at >= this.end) throw short();
    return this.bytes[this.at++] ?? 0;
  }

  varint(): number {
    let value = 0;
    let weight = 1;
    for (let count = 0; count < 8; count++) {
      const byte = this.byte();
      value += (byte & 0x7f) * weight;
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) break;
        return value;
      }
      weight *= 0x80;
    }
    throw new RecordingError("damaged: a number is too long");
  }

  signed(): number {
    const value = this.varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  uint32(): number {
    const bytes = this.bytesOf(4);
    return ((bytes[0] ?? 0) | ((bytes[1] ?? 0) << 8) | ((bytes[2] ?? 0) << 16) | ((bytes[3] ?? 0) << 24)) >>> 0;
  }

  /** The next `length` bytes, as a view. */
  bytesOf(length: number): Uint8Array {
    if (length > this.end - this.at) throw short();
    const from = this.at;
    this.at += length;
    return this.bytes.subarray(from, this.at);
  }

  /** All that is left. */
  rest(): Uint8Array {
    return this.bytesOf(this.left);
  }
}

/** Reads the records of one recording, in order. @throws RecordingError for what is no recording, or damaged */
export class RecordingReader {
  readonly header: Required<RecordingHeader>;
  /** Of the record that {@link next} has found. */
  kind = 0;
  readonly fields = new Fields();
  /** Where the record begins in the file. */
  position = 0;
  readonly #source: RecordingSource;
  #check: number;
  /** Where the next block begins. */
  #blockAt: number;
  #block = new Fields();
  /** Where the block's payload begins in the file. */
  #payloadAt = 0;
  #end: RecordingEnd | undefined;

  constructor(source: RecordingSource) {
    this.#source = source;
    const { header, length, check } = readHeader(source);
    this.header = header;
    this.#blockAt = length;
    this.#check = check;
  }

  /** How it ends: known once {@link next} has returned false. */
  get ending(): RecordingEnd | undefined {
    return this.#end;
  }

  /** How many of the recording's bytes have been read: blocks that are whole. */
  get readBytes(): number {
    return this.#blockAt;
  }

  /** Moves to the next record. @returns false at the end */
  next(): boolean {
    const block = this.#block;
    while (block.isAtEnd) {
      if (this.#end !== undefined || !this.#nextBlock()) return false;
    }
    this.position = this.#payloadAt + block.at;
    this.kind = block.byte();
    const length = block.varint();
    if (length > block.left)
      throw new RecordingError(`damaged: the record at byte ${this.position} is longer than its block`);
    this.fields.set(block.bytes, block.at, block.at + length);
    block.at += length;
    return true;
  }

  close(): void {
    this.#source.close();
  }

  /** @returns false at the end */
  #nextBlock(): boolean {
    const at = this.#blockAt;
    const head = this.#source.read(at, BLOCK_HEAD_BYTES);
    if (head.length < BLOCK_HEAD_BYTES) return this.#endsAs("cut off");
    const view = viewOf(head);
    const check = crc32(head, this.#check, 0, BLOCK_HEAD_BYTES - CHECK_BYTES);
    if (view.getUint32(BLOCK_HEAD_BYTES - CHECK_BYTES, true) !== check) throw damaged(at);
    const type = view.getUint8(0);
    const length = view.getUint32(1, true);
    if (length > BLOCK_MAX || (type === BlockType.END ? length !== 0 : type !== BlockType.RECORDS)) throw damaged(at);
    const payloadAt = at + BLOCK_HEAD_BYTES;
    const end = payloadAt + length;
    if (end + CHECK_BYTES > this.#source.size) return this.#endsAs("cut off");
    const rest = this.#source.read(payloadAt, length + CHECK_BYTES);
    if (rest.length < length + CHECK_BYTES) return this.#endsAs("cut off");
    this.#check = crc32(rest, check, 0, length);
    if (viewOf(rest).getUint32(length, true) !== this.#check) throw damaged(payloadAt);
    this.#blockAt = end + CHECK_BYTES;
    this.#payloadAt = payloadAt;
    this.#block.set(rest, 0, length);
    if (type !== BlockType.END) return true;
    if (this.#blockAt !== this.#source.size) throw new RecordingError("damaged: something follows the end");
    return this.#endsAs("whole");
  }

  #endsAs(end: RecordingEnd): false {
    this.#end = end;
    return false;
  }
}

function readHeader(source: RecordingSource): { header: Required<RecordingHeader>; length: number; check: number } {
  const fixed = source.read(0, HeaderAt.DETAILS);
  const magic = fixed.subarray(0, MAGIC.length);
  if (magic.length < MAGIC.length || MAGIC.some((byte, at) => magic[at] !== byte)) {
    throw new RecordingError("this is no recording");
  }
  if (fixed.length < HeaderAt.DETAILS) throw new RecordingError("cut off in its header: nothing of it can be read");
  const view = viewOf(fixed);
  const version = view.getUint8(HeaderAt.VERSION);
  if (version !== VERSION) throw new RecordingError(`version ${version} of the format: this reads version ${VERSION}`);
  const detailsLength = view.getUint32(HeaderAt.LENGTH, true);
  if (detailsLength > DETAILS_MAX) throw damaged(HeaderAt.LENGTH);
  const end = HeaderAt.DETAILS + detailsLength;
  const all = source.read(0, end + CHECK_BYTES);
  if (all.length < end + CHECK_BYTES) throw new RecordingError("cut off in its header: nothing of it can be read");
  const check = viewOf(all).getUint32(end, true);
  if (crc32(all, 0, 0, end) !== check) throw damaged(0);
  const header = {
    kind: view.getUint8(HeaderAt.KIND),
    flags: view.getUint16(HeaderAt.FLAGS, true),
    realtimeNs: view.getBigInt64(HeaderAt.REALTIME, true),
    monotonicNs: view.getBigInt64(HeaderAt.MONOTONIC, true),
    details: detailsOf(all.subarray(HeaderAt.DETAILS, end)),
  };
  const isKnown = header.kind === RecordingKind.BACKEND || header.kind === RecordingKind.GUEST;
  if (!isKnown || (header.flags & ~FLAGS_KNOWN) !== 0) {
    throw new RecordingError("a kind of recording that this version does not know");
  }
  return { header, length: end + CHECK_BYTES, check };
}

function detailsOf(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw damaged(HeaderAt.DETAILS);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw damaged(HeaderAt.DETAILS);
  return value as Readonly<Record<string, unknown>>;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function damaged(at: number): RecordingError {
  return new RecordingError(`damaged: the bytes from ${at} on do not match their check`);
}

function short(): RecordingError {
  return new RecordingError("damaged: a record is shorter than its fields");
}
