/**
 * Owns what is said of the memory of a guest that trapped. Knows sizes; knows no instance and no policy.
 *
 * A refused memory.grow only returns -1 to the guest, so no host sees it: many a guest then runs into `unreachable`. What is
 * known is how much memory it had at the trap, and how much it was allowed.
 */

const PAGE = 65_536;

/** Of a guest whose memory is limited by its policy, and by nothing below that. */
export interface TrapMemory {
  /** What its linear memory had when it trapped. */
  readonly bytes: number;
  /** What it was allowed, in whole pages. */
  readonly maxBytes: number;
}

/**
 * What a policy allows memory to grow to, in whole pages; undefined where what the module declares is less.
 * @param memoryBytes what each memory may grow to under that policy
 */
export function limitOf(maxMemoryBytes: number, memoryBytes: readonly number[]): number | undefined {
  const maxBytes = Math.floor(maxMemoryBytes / PAGE) * PAGE;
  return memoryBytes.reduce((total, bytes) => total + bytes, 0) === maxBytes ? maxBytes : undefined;
}

/** @param bytes undefined, or 0, where it trapped before it had any memory */
export function trapMemory(bytes: number | undefined, maxBytes: number | undefined): TrapMemory | undefined {
  return bytes === undefined || bytes === 0 || maxBytes === undefined ? undefined : { bytes, maxBytes };
}

/**
 * What follows the message of a trap: "" where the guest had less than half of what it was allowed. Allocators ask for as much
 * again as there is, or for what is wanted: from half on a grow may have been refused, and that is as much as is said.
 * @param limit what the user knows the limit by
 */
export function memoryText(memory: TrapMemory | undefined, limit = "maxMemoryBytes"): string {
  if (memory === undefined || memory.bytes * 2 < memory.maxBytes) return "";
  return `, with ${memory.bytes} of the ${memory.maxBytes} bytes of memory that its policy allows (${limit})`;
}
