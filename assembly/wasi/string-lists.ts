/**
 * Owns the lists of strings that a component gets of its host: the program's arguments, and its environment. Knows no
 * call; the list is at `listAt`, a pointer and a count.
 */

/** Frees the list. */
export function takeStrings(listAt: usize): string[] {
  const list = load<usize>(listAt);
  const count = load<i32>(listAt, 4);
  const strings = new Array<string>(count);
  for (let i = 0; i < count; i++) {
    const at = load<usize>(list + 8 * i);
    const length = load<i32>(list + 8 * i, 4);
    strings[i] = String.UTF8.decodeUnsafe(at, length);
    if (length > 0) heap.free(at);
  }
  if (count > 0) heap.free(list);
  return strings;
}

/** Pairs of a name and a value: 16 bytes, pointer and length of each. Kept; the values end with a zero. */
let variables: usize = 0;
let variableCount: i32 = -1;

export function hasVariables(): bool {
  return variableCount >= 0;
}

/** @returns where the value of a variable is, or 0 */
export function variableNamed(name: string): usize {
  for (let i = 0; i < variableCount; i++) {
    const pair = variables + 16 * i;
    if (isName(load<usize>(pair), load<i32>(pair, 4), name)) return load<usize>(pair, 8);
  }
  return 0;
}

function isName(at: usize, length: i32, name: string): bool {
  if (length != name.length) return false;
  for (let i = 0; i < length; i++) {
    if (load<u8>(at + i) != name.charCodeAt(i)) return false;
  }
  return true;
}

/** Keeps the list, which is read once. */
export function keepVariables(listAt: usize): void {
  variables = load<usize>(listAt);
  variableCount = load<i32>(listAt, 4);
  for (let i = 0; i < variableCount; i++) {
    const pair = variables + 16 * i;
    const length = load<i32>(pair, 12);
    const value = length == 0 ? heap.alloc(1) : heap.realloc(load<usize>(pair, 8), length + 1);
    store<u8>(value + length, 0);
    store<usize>(pair, value, 8);
  }
}
