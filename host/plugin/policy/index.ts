/** Re-exports what the plugin host uses of the policy. */

export { Account, type AccountOptions, type AccountSnapshot, type LimitName, type PolicyEvent } from "./account.js";
export { PolicyError, type PolicyProblem } from "./errors.js";
export { guardBackend } from "./guard.js";
export { pinNames, pinNamesSync } from "./names.js";
export { coarseClock, type ProcessOptions, processOptions, randomSource } from "./process-options.js";
export { parsePolicy } from "./schema.js";
export type * from "./types.js";
