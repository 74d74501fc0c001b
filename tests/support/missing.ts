/**
 * Owns what becomes of tests whose tools are not there: they are left out, and it is said why. Where CI is set that is a
 * failure. Knows no tool.
 */

const { CI } = process.env;
const inCI = CI !== undefined && CI !== "" && CI !== "false";

/**
 * Says that tests are left out; where there is no reason to, does nothing.
 * @returns the reason
 * @throws Error with the reason, in CI
 */
export function leaveOut(tests: string, reason: string): string {
  if (reason === "") return reason;
  if (inCI) throw new Error(`${tests}: ${reason}`);
  process.stderr.write(`${tests} are left out: ${reason}.\n`);
  return reason;
}
