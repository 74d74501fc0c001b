/**
 * Owns where arrays of records get their memory. Knows nothing of what is in them.
 *
 * In engine.wasm all memory after the static data is the arrays', one behind the other without gaps, in the order in which
 * each first got some: the channels first, which use all of theirs, then what is reserved for the worst case. When one grows,
 * those behind it move up. So no memory is left behind, and as arrays grow by a share of their size, moving costs O(1) a
 * record. Growing the memory may be refused, which is an answer here and no trap. In a guest the memory is the program's,
 * and its allocator gives blocks, or traps.
 */

import { OWN_MEMORY } from "./features";
import { Any, Records } from "./records";

const PAGE_BITS: u64 = 16;
const ALIGNMENT: u64 = 16;

/** Where the last array ends. */
let end: usize = usize(aligned(__heap_base));
/** The last array in memory. */
let last: usize = 0;

/**
 * Gives an array memory for `capacity` records; it may move, and in engine.wasm others with it.
 * @returns false, and nothing has changed, when there is none.
 */
export function resize(records: Records<Any>, recordSize: u64, capacity: u64): bool {
  const size = capacity * recordSize;
  if (!OWN_MEMORY) {
    const base = records.base;
    records.base = base == 0 ? heap.alloc(usize(size)) : heap.realloc(base, usize(size));
    return true;
  }
  const more = aligned(size) - aligned(u64(records.capacity) * recordSize);
  const missing = i64(u64(end) + more) - (i64(memory.size()) << PAGE_BITS);
  if (missing > 0) {
    const pages = (missing + (1 << PAGE_BITS) - 1) >> PAGE_BITS;
    if (pages > i64(u16.MAX_VALUE) || memory.grow(i32(pages)) < 0) return false;
  }
  if (records.base == 0) {
    records.base = end;
    records.recordSize = i32(recordSize);
    records.previous = last;
    last = changetype<usize>(records);
  }
  // From the last one down, so that none is overwritten.
  for (let at = last; at != changetype<usize>(records); at = changetype<Records<Any>>(at).previous) {
    const behind = changetype<Records<Any>>(at);
    const base = behind.base;
    behind.base = base + usize(more);
    // What was not used yet is not moved: the host gives memory only where it is touched.
    memory.copy(behind.base, base, usize(behind.length) * usize(behind.recordSize));
  }
  end += usize(more);
  return true;
}

function aligned(size: u64): u64 {
  return (size + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
}
