/** Owns the public API of "wasyncore/sim": re-exports only. */

export {
  explore,
  type Exploration,
  type ExploreOptions,
  type Failure,
  type Scenario,
  type ScenarioModule,
} from "./explore.js";
export {
  type FaultFilter,
  type FaultMoment,
  type FaultName,
  FAULTS,
  type FaultSetting,
  type FaultTable,
  type Injection,
} from "./fault-table.js";
export type { SimGuest, SimGuestOptions } from "./guests.js";
export type { HostOptions, Program, SimHost } from "./public-host.js";
export type { RecordedOptions, RecordedPeer, RecordedWorld } from "./recorded-world.js";
export type { RunEnd, RunOptions } from "./runner.js";
export { SimWorld, type WorldOptions } from "./world.js";
