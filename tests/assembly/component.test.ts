/** Owns what building a component of WASI 0.2 refuses, and that one does what it should: see component-scenarios.ts. */

import { describe, expect, test } from "vitest";
import { componentScenarios } from "./component-scenarios.js";
import { missing, NODE_HOST, runBuild, WASMTIME } from "./component-support.js";

test("without jco says how to get it, and compiles nothing", async () => {
  const parameters = ["examples/portable/echo-guest.ts", "--profile", "component", "-o", "build/components/none.wasm"];
  const { status, stderr } = await runBuild(parameters, "");
  expect(stderr).toBe(
    "wasyncore build: a component is made with jco, which is not installed: npm install --save-dev @bytecodealliance/jco@1.34.0\n",
  );
  expect(status).toBe(1);
});

test("a component is no reactor", async () => {
  const { status, stderr } = await runBuild(["examples/portable/echo-guest.ts", "--profile", "component", "--reactor"]);
  expect(stderr).toContain("--reactor is for modules");
  expect(status).toBe(2);
});

describe.skipIf(missing !== "")("a component", () => {
  componentScenarios("component", [WASMTIME, NODE_HOST]);
});
