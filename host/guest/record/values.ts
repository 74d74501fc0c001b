/**
 * Owns reading what a call refers to in a guest's memory: vectors, addresses, strings, subscriptions. Never throws, whatever the
 * guest has passed: what is not in memory has no bytes. The recorder and the replay read alike, so that they agree. Makes no call.
 */

import { ERRNO_BADF, ERRNO_FAULT, ERRNO_INVAL, ERRNO_NOTCAPABLE, ERRNO_NOTDIR } from "../../wasi/errno-numbers.js";
import { CLOCK_ABSTIME, Event, EventType, Iovec, Subscription } from "../../wasi/layout.js";

import type { LinearMemory } from "../../wasi/poll-oneoff.js";
import { hashBytes, mixWord } from "./hash.js";
import type { Output } from "./layouts.js";

/** A guest's memory during one call: `GuestMemory`, or {@link CallMemory}. */
export interface Memory {
  readonly view: DataView;
  readonly bytes: Uint8Array;
  has(at: number, length: number): boolean;
}

/** A memory that is looked up once for each call: asking WebAssembly for its buffer leaves compiled code. */
export class CallMemory implements Memory {
  #memory: LinearMemory = { buffer: new ArrayBuffer(0) };
  #buffer = this.#memory.buffer;
  view = new DataView(this.#buffer);
  bytes = new Uint8Array(this.#buffer);

  attach(memory: LinearMemory): void {
    this.#memory = memory;
    this.bytes = new Uint8Array(0);
    this.follow();
  }

  /** A call begins: the guest's memory may have grown. */
  follow(): void {
    // The buffer that a memory had before it grew is detached.
    if (this.bytes.length > 0) return;
    const { buffer } = this.#memory;
    this.#buffer = buffer;
    this.view = new DataView(buffer);
    this.bytes = new Uint8Array(buffer);
  }

  has(at: number, length: number): boolean {
    return (at >>> 0) + (length >>> 0) <= this.bytes.length;
  }

  get buffer(): ArrayBuffer {
    return this.#buffer;
  }
}

/** A parameter as a number; 0 where there is none. */
export type Parameter = number | bigint | undefined;

export function numberOf(parameter: Parameter): number {
  return typeof parameter === "number" ? parameter >>> 0 : 0;
}

const VECTOR_MAX = 1024;
const HASH_SEED = 0x2545f491;

/** The buffers of a call, as they were before it: what is received may lie over the vector itself. */
export class Vector {
  readonly at = new Uint32Array(VECTOR_MAX);
  readonly lengths = new Uint32Array(VECTOR_MAX);
  count = 0;
  /** Bytes of all together. */
  total = 0;

  read(memory: Memory, at: number, count: number): void {
    this.count = 0;
    this.total = 0;
    if (count > VECTOR_MAX || !memory.has(at, count * Iovec.SIZE)) return;
    const { view } = memory;
    for (let i = 0, from = at; i < count; i++, from += Iovec.SIZE) {
      const buffer = view.getUint32(from + Iovec.BUFFER, true);
      const length = view.getUint32(from + Iovec.LENGTH, true);
      if (length === 0) continue;
      if (!memory.has(buffer, length)) break;
      this.at[this.count] = buffer;
      this.lengths[this.count] = length;
      this.count++;
      this.total += length;
    }
  }

  /** Calls with each part of the first `length` bytes, and how many come before it. */
  each(length: number, part: (at: number, length: number, before: number) => void): void {
    let done = 0;
    for (let i = 0; i < this.count && done < length; i++) {
      const bytes = Math.min(this.lengths[i] ?? 0, length - done);
      part(this.at[i] ?? 0, bytes, done);
      done += bytes;
    }
  }

  /** A copy of the first `length` bytes, in one piece. */
  copy(memory: Memory, length: number): Uint8Array {
    const copied = new Uint8Array(Math.min(length, this.total));
    this.each(copied.length, (at, part, before) => copied.set(memory.bytes.subarray(at, at + part), before));
    return copied;
  }

  /** Of the first `length` bytes and how they are divided into buffers. */
  hash(memory: Memory, length: number): number {
    let hash = HASH_SEED;
    const { view } = memory;
    for (let i = 0, done = 0; i < this.count && done < length; i++) {
      const bytes = Math.min(this.lengths[i] ?? 0, length - done);
      const at = this.at[i] ?? 0;
      hash = hashBytes(view, at, at + bytes, hash);
      done += bytes;
    }
    return hash;
  }
}

/** `length` bytes at `at`, at most `max` and what is in memory. Valid until the guest runs again. */
export function bytesAt(memory: Memory, at: number, length: number, max = Infinity): Uint8Array {
  const { bytes } = memory;
  const from = Math.min(at, bytes.length);
  return bytes.subarray(from, Math.min(from + Math.min(length, max), bytes.length));
}

const ADDRESS_MAX = 128;

/** The buffer that WasmEdge's address structure at `at` refers to. */
export function addressAt(memory: Memory, at: number): Uint8Array {
  if (!memory.has(at, Iovec.SIZE)) return bytesAt(memory, 0, 0);
  const length = memory.view.getUint32(at + Iovec.LENGTH, true);
  return bytesAt(memory, memory.view.getUint32(at + Iovec.BUFFER, true), length <= ADDRESS_MAX ? length : 0);
}

/** Of what the guest wants to wait for: kinds, descriptors and times. */
export function hashSubscriptions(memory: Memory, at: number, count: number): number {
  let hash = HASH_SEED;
  if (!memory.has(at, Math.min(count * Subscription.SIZE, 0xffff_ffff))) return hash;
  const { view } = memory;
  for (let i = 0, from = at; i < count; i++, from += Subscription.SIZE) {
    const tag = view.getUint8(from + Subscription.TAG);
    hash = mixWord(hash, tag);
    hash = mixWord(hash, view.getInt32(from + Subscription.ID, true));
    if (tag !== EventType.CLOCK) continue;
    hash = mixWord(hash, view.getInt32(from + Subscription.TIMEOUT, true));
    hash = mixWord(hash, view.getInt32(from + Subscription.TIMEOUT + 4, true));
    hash = mixWord(hash, view.getUint16(from + Subscription.FLAGS, true) & CLOCK_ABSTIME);
  }
  return hash;
}

/** The value that a call has stored at the address in one of its parameters; 0 where that is not in memory. */
export function storedAt(memory: Memory, parameter: Parameter): number {
  const at = numberOf(parameter);
  return memory.has(at, 4) ? memory.view.getUint32(at, true) : 0;
}

/** Where a buffer of an output is, and how many bytes of it were written. */
export function bufferOf(
  memory: Memory,
  output: Extract<Output, { kind: "used" | "filled" }>,
  parameters: readonly Parameter[],
): Uint8Array {
  const length =
    output.kind === "used" ? storedAt(memory, parameters[output.used]) : numberOf(parameters[output.length]);
  return bytesAt(memory, numberOf(parameters[output.at]), length);
}

/** With these a call has failed before it wrote anything. */
const REFUSED: ReadonlySet<number> = new Set([ERRNO_BADF, ERRNO_FAULT, ERRNO_INVAL, ERRNO_NOTCAPABLE, ERRNO_NOTDIR]);

/** Where a call that has failed half-way may have written something: fd_readdir, poll_oneoff. */
export function leftBehind(
  memory: Memory,
  output: Output | undefined,
  parameters: readonly Parameter[],
  errno: number,
): Uint8Array {
  if (output === undefined || REFUSED.has(errno)) return bytesAt(memory, 0, 0);
  if (output.kind === "used" && output.length !== undefined)
    return bytesAt(memory, numberOf(parameters[output.at]), numberOf(parameters[output.length]));
  if (output.kind !== "events") return bytesAt(memory, 0, 0);
  return bytesAt(memory, numberOf(parameters[output.events]), numberOf(parameters[output.subscribed]) * Event.SIZE);
}
