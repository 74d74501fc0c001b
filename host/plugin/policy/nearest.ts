/** Owns guessing which name was meant by a misspelt one. Knows no field. */

/** A name at most so many changes away is taken for the one that was meant. */
const CHANGES_MAX = 2;

/** The name of `known` that `name` is most similar to: another case, without its unit, or up to two changes away. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const plain = (text: string): string => text.replaceAll(/[-_]/g, "").toLowerCase();
  const wanted = plain(name);
  const contained = known.find((each) => wanted.length > 2 && plain(each).includes(wanted));
  if (contained !== undefined) return contained;
  const [best] = known
    .map((each) => ({ each, changes: changesBetween(wanted, plain(each)) }))
    .filter(({ changes }) => changes <= CHANGES_MAX)
    .toSorted((a, b) => a.changes - b.changes);
  return best?.each;
}

/** Levenshtein's distance. */
function changesBetween(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
