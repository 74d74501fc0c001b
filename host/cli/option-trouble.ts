/** Owns what is said of options that do not parse. Knows the messages of parseArgs; knows no option. */

/**
 * What parseArgs found wrong, without its advice: to write what is no option after "--". Several commands hand that on to another
 * program.
 */
export function optionTrouble(error: unknown): string {
  return (error as Error).message.split(". To specify", 1)[0] ?? "";
}
