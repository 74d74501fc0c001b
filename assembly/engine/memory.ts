/**
 * Owns where records get their memory. Knows nothing of what is in it.
 *
 * In engine.wasm all memory after the static data is the records': a block that is outgrown is left behind, and as blocks
 * double, what is left behind is never more than what is in use. Growing the memory may be refused, which is an answer
 * here and no trap. In a guest the memory is the program's, and its allocator gives blocks, or traps.
 */

import { OWN_MEMORY } from "./features";

const PAGE_BITS: u64 = 16;
const ALIGNMENT: usize = 16;

/** Where the next block begins. */
let end: usize = (__heap_base + ALIGNMENT - 1) & ~(ALIGNMENT - 1);

/**
 * Makes a block of `size` bytes at `at` larger; it may move. `at` 0 makes a new one.
 * @returns where it is; 0, and nothing has changed, when there is no memory for it.
 */
export function resize(at: usize, size: usize, newSize: u64): usize {
  if (!OWN_MEMORY) return at == 0 ? heap.alloc(usize(newSize)) : heap.realloc(at, usize(newSize));
  const isLast = at != 0 && ((at + size + ALIGNMENT - 1) & ~(ALIGNMENT - 1)) == end;
  const start = isLast ? at : end;
  const newEnd = (u64(start) + newSize + ALIGNMENT - 1) & ~(u64(ALIGNMENT) - 1);
  const missing = i64(newEnd) - (i64(memory.size()) << PAGE_BITS);
  if (missing > 0) {
    const pages = (missing + (1 << PAGE_BITS) - 1) >> PAGE_BITS;
    if (pages > i64(u16.MAX_VALUE) || memory.grow(i32(pages)) < 0) return 0;
  }
  if (!isLast && size > 0) memory.copy(start, at, size);
  end = usize(newEnd);
  return start;
}
