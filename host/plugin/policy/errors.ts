/** Owns the error for a policy that is wrong. Knows no schema. */

/** One thing that is wrong with a policy. */
export interface PolicyProblem {
  /** Where it is: `limits.maxMemoryBytes`, `connect[2]`; "" for the policy as a whole. */
  readonly field: string;
  /** What is wrong there and what would be right, as a sentence without the field's name. */
  readonly message: string;
}

/** How many problems a message contains; {@link PolicyError.problems} has all of them. */
const SHOWN_MAX = 10;

/** A policy that is wrong. Its message has a line for each problem. */
export class PolicyError extends Error {
  override name = "PolicyError";
  readonly code = "ERR_INVALID_POLICY";
  /** The field of the first problem. */
  readonly field: string;
  /** At least one. */
  readonly problems: readonly PolicyProblem[];

  constructor(problems: readonly PolicyProblem[]) {
    super(messageOf(problems));
    this.field = problems[0]?.field ?? "";
    this.problems = problems;
  }
}

function messageOf(problems: readonly PolicyProblem[]): string {
  const lines = problems
    .slice(0, SHOWN_MAX)
    .map(({ field, message }) => (field === "" ? `the policy ${message}` : `"${field}" ${message}`));
  if (problems.length > SHOWN_MAX) lines.push(`... and ${problems.length - SHOWN_MAX} more`);
  return lines.join("\n");
}
