/** Exploring on several threads: the same failure as on one, whatever the threads do. And hashes of many runs. */

import { beforeAll, expect, onTestFinished, test } from "vitest";
import { explore, type FaultTable } from "wasyncore/sim";
import { requireBuild } from "../support/processes.js";

const MODULE = new URL("./scenario.mjs", import.meta.url);
const FAULTS: FaultTable = { "short-read": 0.02, interrupt: 0.05, latency: { jitterMs: 2 } };

beforeAll(() => requireBuild("dist/sim/worker.js"));

/** The built library's log, without its lines. */
async function quietly(): Promise<void> {
  const built = (await import(
    new URL("../../dist/index.js", import.meta.url).href
  )) as typeof import("../../host/index.js");
  onTestFinished(built.setLogSink(() => undefined));
}

test("the lowest seed that fails is found and shrunk, with any number of threads", async () => {
  await quietly();
  const found = [];
  for (const threads of [1, 2, 5]) {
    const scenario = { module: MODULE, export: "impatient" };
    const { seeds, runs, failure } = await explore({ seeds: 300, size: 3, faults: FAULTS, threads, scenario });
    if (failure === undefined) throw new Error("the defect was not found");
    const { seed, size, injections, traceHash, error } = failure;
    expect(String(error)).toContain("cut short");
    expect(injections.map(({ name }) => name)).toEqual(["short-read"]);
    found.push({ seeds, runs, seed, size, traceHash });
  }
  expect(new Set(found.map((each) => JSON.stringify(each))).size).toBe(1);
});

test("threads try every seed of what does not fail", async () => {
  const { seeds, runs, failure } = await explore({
    seeds: 30,
    size: 2,
    faults: FAULTS,
    threads: 3,
    scenario: { module: MODULE },
  });
  expect({ seeds, runs, failure }).toEqual({ seeds: 30, runs: 30, failure: undefined });
});

test("a module that cannot be imported, or exports no such function, is refused", async () => {
  const missing = { module: new URL("./nothing.mjs", import.meta.url) };
  await expect(explore({ seeds: 2, scenario: missing })).rejects.toMatchObject({ code: "ERR_MODULE_NOT_FOUND" });
  for (const name of ["noFunction", "nothing"]) {
    const scenario = { module: MODULE, export: name };
    await expect(explore({ seeds: 2, scenario })).rejects.toMatchObject({ code: "ERR_INVALID_ARG_VALUE" });
  }
});

test("a thread that waits for what can never come ends the exploration", async () => {
  const scenario = { module: MODULE, export: "unimportable" };
  await expect(explore({ seeds: 4, threads: 2, scenario })).rejects.toMatchObject({
    code: "ERR_SCENARIO_STALLED",
  });
});

test("a scenario that ends its thread is no seed that passes", async () => {
  const scenario = { module: MODULE, export: "exiting" };
  await expect(explore({ seeds: 4, threads: 2, scenario })).rejects.toMatchObject({ code: "ERR_THREAD_ENDED" });
});

test("the same seeds have the same hashes, on every machine and with every version of Node", async () => {
  await quietly();
  const { hashOfRuns } = (await import(MODULE.href)) as { hashOfRuns: (count: number) => Promise<string> };
  expect(await hashOfRuns(40)).toBe("6a324cb6e07d1cb0");
});
