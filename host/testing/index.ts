/** Owns the public API of "wasyncore/testing": re-exports only. */

export { useWorldClock } from "./clock.js";
export { simulated, type SimulatedOptions } from "./simulated.js";
export { expectTrace, until, type UntilOptions } from "./expect.js";
