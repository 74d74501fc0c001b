/**
 * Owns `cabi_realloc`: where the host puts the lists that it returns. Knows no call. The list of a call that is made often
 * lands where the caller says, so that it is neither allocated nor copied; the list of any other call is the caller's to
 * free.
 */

let landingAt: usize = 0;
let landingSize: usize = 0;

/** The next list, of at most `size` bytes, is to be placed at `at`. */
@inline
export function landAt(at: usize, size: usize): void {
  landingAt = at;
  landingSize = size;
}

/** The canonical ABI's allocator; every allocation of the heap is aligned to 16 bytes. */
export function cabi_realloc(at: usize, _sizeBefore: usize, alignment: usize, size: usize): usize {
  // What is empty stands nowhere, and is not to be freed.
  if (size == 0) return alignment;
  if (at != 0) return heap.realloc(at, size);
  const landing = landingAt;
  landingAt = 0;
  return landing != 0 && size <= landingSize ? landing : heap.alloc(size);
}
