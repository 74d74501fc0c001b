/** Owns how the tables by descriptor grow. Knows nothing of what is in them. */

/** A copy of `table` with room for `fd`, and zeroes where there was nothing. */
export function grown<T extends Int32Array | Uint8Array>(table: T, fd: number): T {
  const Table = table.constructor as new (length: number) => T;
  const larger = new Table(Math.max(fd + 1, table.length * 2));
  larger.set(table);
  return larger;
}
