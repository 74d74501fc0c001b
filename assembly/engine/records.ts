/**
 * Owns growable arrays of fixed-size records in unmanaged memory. Knows nothing of what is in them.
 *
 * An array only grows. Growing may move it: a record fetched by `at` must not be kept across anything that can add.
 *
 * What a room keeps by itself stands in static memory, zeros at first: `changetype<Records<T>>(memory.data(RECORDS_SIZE))`
 * is an empty array, and needs no code that makes it.
 */

/** The bytes of a {@link Records}: base, capacity, length. */
export const RECORDS_SIZE: i32 = 12;


@unmanaged
export class Records<T> {
  base: usize;
  capacity: i32;
  length: i32;


  @inline
  at(index: i32): T {
    return changetype<T>(this.base + <usize>index * offsetof<T>());
  }

  /** Adds a record at the end; its content is whatever was there. @returns its index. */
  add(): i32 {
    const index = this.length;
    this.reserve(index + 1);
    this.length = index + 1;
    return index;
  }

  /** Makes room for `capacity` records in all. */
  reserve(capacity: i32): void {
    if (capacity > this.capacity) grow(changetype<Records<Any>>(this), capacity, offsetof<T>());
  }
}


@unmanaged
class Any {}

/** One function for records of all kinds: it is called seldom. */
function grow(records: Records<Any>, capacity: i32, recordSize: usize): void {
  const grown = max(max(records.capacity << 1, capacity), CAPACITY_MIN);
  const size = <usize>grown * recordSize;
  records.base = records.base == 0 ? heap.alloc(size) : heap.realloc(records.base, size);
  records.capacity = grown;
}

const CAPACITY_MIN: i32 = 16;
