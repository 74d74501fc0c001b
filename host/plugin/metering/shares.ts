/**
 * Owns how the modules of a component share the memory that is allowed: each is given what its memory begins with, and of the rest
 * a part in proportion to that, but no more than it declares. Knows memory sections; knows no component.
 */

import { type Limits, PAGE, readLimits } from "./limits.js";
import { SectionId, Sections } from "./sections.js";

/**
 * @param modules each of them is taken to be instantiated once
 * @returns the bytes for the memory of each, together at most `maxBytes`; `maxBytes` for each where they begin with more than that
 * @throws ModuleError for a damaged module
 */
export function shareMemory(modules: readonly Uint8Array[], maxBytes: number): number[] {
  const memories = modules.map(memoryOf);
  const begin = memories.reduce((total, memory) => total + (memory?.minimum ?? 0), 0);
  let left = Math.floor(maxBytes / PAGE) - begin;
  if (left < 0) return modules.map(() => maxBytes);
  const shares = new Map<Limits, number>();
  let open = memories.filter((memory) => memory !== undefined);
  while (open.length > 0) {
    const total = open.reduce((sum, memory) => sum + weightOf(memory), 0);
    const more = left;
    const partOf = (memory: Limits): number => memory.minimum + Math.floor((more * weightOf(memory)) / total);
    const full = open.filter((memory) => partOf(memory) >= memory.maximum);
    for (const memory of full.length > 0 ? full : open) {
      const share = Math.min(partOf(memory), memory.maximum);
      shares.set(memory, share);
      left -= share - memory.minimum;
    }
    if (full.length === 0) break;
    open = open.filter((memory) => !full.includes(memory));
  }
  // What rounding has left.
  for (const memory of open.toSorted((one, other) => other.minimum - one.minimum)) {
    const share = shares.get(memory) ?? 0;
    const more = Math.min(left, memory.maximum - share);
    shares.set(memory, share + more);
    left -= more;
  }
  return memories.map((memory) => (memory === undefined ? 0 : (shares.get(memory) ?? 0)) * PAGE);
}

/** One that begins with nothing may be used as well. */
function weightOf({ minimum }: Limits): number {
  return Math.max(1, minimum);
}

/** What a module says of the memory that it defines; undefined where it defines none. */
function memoryOf(module: Uint8Array): Limits | undefined {
  const reader = new Sections(module).find(SectionId.MEMORY);
  return reader === undefined || reader.count() === 0 ? undefined : readLimits(reader, "memory");
}
