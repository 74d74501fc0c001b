/** Owns the public API of "wasyncore/sim": re-exports only. */

export { type FaultMoment, type FaultName, FAULTS, type FaultSetting, type FaultTable } from "./fault-table.js";
export type { FaultFilter, Injection } from "./faults.js";
export type { HostOptions, Program, SimHost } from "./host.js";
export { type RunEnd, type RunOptions, SimWorld, type WorldOptions } from "./world.js";
