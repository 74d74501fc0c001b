/** Owns a number with its noun, in messages. Knows only nouns whose plural ends with "s". */

/** "1 channel", "2 channels" */
export function counted(count: number, noun: string): string {
  return `${count} ${count === 1 ? noun : `${noun}s`}`;
}
