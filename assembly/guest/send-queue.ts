/**
 * Owns bytes that wait to be sent. They stand side by side, so that one call, and one buffer, takes as many as there are.
 * Knows no channel.
 */

import { newStaticArray } from "./memory";

/** An emptied queue keeps its memory up to this size. */
const KEPT_BYTES: i32 = 4096;

export class SendQueue {
  private bytes: StaticArray<u8> = NO_ROOM;
  private first: i32 = 0;
  /** Bytes waiting. */
  length: i32 = 0;

  /** Where they are, until the next change. */
  get start(): usize {
    return changetype<usize>(this.bytes) + this.first;
  }

  /** Adds a copy of what stands at `at`. */
  push(at: usize, length: i32): void {
    if (length <= 0) return;
    if (this.first + this.length + length > this.bytes.length) this.makeRoom(length);
    memory.copy(this.start + this.length, at, length);
    this.length += length;
  }

  /** Drops `count` bytes at the front: they were sent. */
  drop(count: i32): void {
    const dropped = min(count, this.length);
    this.first += dropped;
    this.length -= dropped;
    if (this.length == 0) this.clear();
  }

  clear(): void {
    this.first = 0;
    this.length = 0;
    if (this.bytes.length > KEPT_BYTES) this.bytes = NO_ROOM;
  }

  /** Moves to the front or, where more than half is full, to twice the room: so a byte moves seldom. */
  private makeRoom(length: i32): void {
    const needed = this.length + length;
    const target = 2 * needed > this.bytes.length ? newStaticArray<u8>(max(256, 2 * needed)) : this.bytes;
    memory.copy(changetype<usize>(target), this.start, this.length);
    this.bytes = target;
    this.first = 0;
  }
}

const NO_ROOM = newStaticArray<u8>(0);
