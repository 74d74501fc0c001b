/**
 * Owns growable arrays of fixed-size records in unmanaged memory. Knows nothing of what is in them.
 *
 * An array only grows. Growing may move it: a record fetched by `at` must not be kept across anything that can add.
 */

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
    if (capacity <= this.capacity) return;
    let grown = this.capacity << 1;
    if (grown < capacity) grown = capacity;
    this.base = heap.realloc(this.base, <usize>grown * offsetof<T>());
    this.capacity = grown;
  }
}

/** An empty array with room for `capacity` records. */
export function makeRecords<T>(capacity: i32): Records<T> {
  const records = changetype<Records<T>>(heap.alloc(offsetof<Records<T>>()));
  records.base = heap.alloc(<usize>capacity * offsetof<T>());
  records.capacity = capacity;
  records.length = 0;
  return records;
}
