/**
 * Owns growable arrays of fixed-size records in unmanaged memory. Knows nothing of what is in them.
 *
 * An array only grows. Growing may move it, and in engine.wasm all others: a record fetched by `at` must not be kept
 * across anything that can add.
 *
 * Each file keeps its arrays in static memory, which is zero at first: `changetype<Records<T>>(memory.data(RECORDS_SIZE))`
 * is an empty array, and needs no code that makes it.
 */

import { OWN_MEMORY } from "./features";
import { resize } from "./memory";

/** The bytes of a {@link Records}. */
export const RECORDS_SIZE: i32 = 20;


@unmanaged
export class Records<T> {
  base: usize;
  capacity: i32;
  length: i32;
  /** In engine.wasm: the bytes of a record, and the array that got its first memory before this one. */
  recordSize: i32;
  previous: usize;


  @inline
  at(index: i32): T {
    return changetype<T>(this.base + <usize>index * offsetof<T>());
  }

  /** Adds a record at the end; its content is undefined. In engine.wasm it was reserved. @returns its index. */
  add(): i32 {
    const index = this.length;
    if (OWN_MEMORY) assert(index < this.capacity, "not reserved");
    else this.tryReserve(index + 1);
    this.length = index + 1;
    return index;
  }

  /** @returns false, and nothing has changed, when there is no memory for `capacity` records in all. */
  tryReserve(capacity: i32): bool {
    return capacity <= this.capacity || grow(changetype<Records<Any>>(this), capacity, offsetof<T>());
  }
}


@unmanaged
export class Any {}

/** One function for records of all kinds: it is called seldom. */
function grow(records: Records<Any>, capacity: i32, recordSize: usize): bool {
  // By half: an array has no more than that in reserve.
  const grown = max(max(records.capacity + (records.capacity >> 1), capacity), CAPACITY_MIN);
  if (!resize(records, u64(recordSize), u64(grown))) return false;
  records.capacity = grown;
  return true;
}

const CAPACITY_MIN: i32 = 16;
