/** Owns waiting by iterations of Node's event loop, instead of by time. Knows nothing of the package. */

/** Some iterations of Node's loop, polling included. */
export async function iterations(count: number): Promise<void> {
  for (let index = 0; index < count; index++) await new Promise((resolve) => setImmediate(resolve));
}

/** As many as it takes. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await iterations(1);
}
