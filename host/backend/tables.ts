/**
 * Owns how much room tables have that are indexed by slot or by descriptor. Imports nothing.
 */

/**
 * How long a table is to be made, where `index` is beyond its end. By half of its length, not by all of it: of a table that
 * has doubled up to half is unused, and what it had before, too small for the next one, stays with malloc.
 */
export function roomFor(index: number, { length }: { readonly length: number }): number {
  return Math.max(index + 1, length + (length >> 1));
}
