/** Owns what building a component of WASI 0.2 refuses, and that one does what it should: see component-scenarios.ts. */

import { describe, expect, test } from "vitest";
import { componentScenarios } from "./component-scenarios.js";
import { buildWith } from "../support/builds.js";
import { requireBuild, ROOT, Running } from "../support/processes.js";
import { missing, NODE_HOST, WASMTIME } from "./component-support.js";

const MAIN = "dist/cli/main.js";
const ENTRY = "examples/portable/echo-guest.ts";
const OUT = "build/components/none.wasm";

test("without jco says how to get it, and compiles nothing", async () => {
  requireBuild(MAIN);
  const parameters = [MAIN, "build", ENTRY, "--profile", "component", "-o", OUT];
  const { code, stderr } = await new Running(process.execPath, parameters, ROOT, {
    env: { ...process.env, NODE_PATH: "" },
  }).ended;
  expect(stderr).toBe(
    "wasyncore build: a component is made with jco, which is not installed: npm install --save-dev @bytecodealliance/jco@1.34.0\n",
  );
  expect(code).toBe(1);
});

test("a component is no reactor", async () => {
  const { status, stderr } = await buildWith(ENTRY, OUT, "--profile", "component", "--reactor");
  expect(stderr).toContain("--reactor is for modules");
  expect(status).toBe(2);
});

describe.skipIf(missing !== "")("a component", () => {
  componentScenarios("component", [WASMTIME, NODE_HOST]);
});
