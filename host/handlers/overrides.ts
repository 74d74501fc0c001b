/**
 * Owns the question whether a class overrides one of its library methods. Knows no class: those of the library hand in
 * the methods that they answer for themselves.
 *
 * A handler that overrides `readable` or `writable` must be asked every turn, as asyncore promises; the library's own
 * versions need not be, because their classes tell the engine when their interest changes.
 */

const ours = new WeakSet<object>();

/** Says that these methods are the library's. */
export function declareOurs(...methods: object[]): void {
  for (const method of methods) ours.add(method);
}

/** Was this method written by somebody else? */
export function isOverride(method: object): boolean {
  return !ours.has(method);
}
