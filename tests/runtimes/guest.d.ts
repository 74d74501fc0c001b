/** What the guests of these tests use that is no name of Node. */

/** The guest's own linear memory. */
declare namespace memory {
  /** In pages of 64 KiB. */
  function size(): i32;
}
