/** Re-exports what the plugin host uses of the policy. */

export { PolicyError, type PolicyProblem } from "./errors.js";
export { parsePolicy } from "./schema.js";
export type * from "./types.js";
