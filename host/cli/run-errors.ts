/** Owns the errors of `wasyncore run`: sentences for the user. Knows nothing else. */

/** The command line is wrong. */
export class UsageError extends Error {
  override name = "UsageError";
  readonly code = "ERR_CLI_USAGE";
}

/** What could not be done. */
export class RunError extends Error {}
