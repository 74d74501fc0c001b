/** Owns what a component of WASI 0.3 does: all that one of 0.2 does, and with what it is built. */

import { describe } from "vitest";
import { componentScenarios } from "../assembly/component-scenarios.js";
import { missing } from "../assembly/component-support.js";

describe.skipIf(missing !== "")("a component of WASI 0.3", () => {
  componentScenarios("wasi-0.3");
});
