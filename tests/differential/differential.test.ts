/**
 * Owns the comparison with CPython's asyncore and asynchat: each scenario is played on both, and what handlers are told
 * must be the same, or a row of docs/differences.md. tests/differential/README.md explains it.
 */

import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { setLogSink } from "wasyncore";
import { leaveOut } from "../support/missing.js";
import { checkDifferences, readDifferences, withDifferences } from "./differences.js";
import { play } from "./node-player.js";
import { readRecorded, recordAfresh, type Recording } from "./recordings.js";
import { POLLERS, readScenarios, readVariants } from "./scenario.js";

// The traces tell what handlers log; what the library logs of closed channels is not in them.
let restoreLogSink: () => void;
beforeAll(() => {
  restoreLogSink = setLogSink(() => undefined);
});
afterAll(() => restoreLogSink());

const scenarios = readScenarios();
const differences = readDifferences();
const recorded = readRecorded();
const fresh = recordAfresh();
const references: [string, Recording][] = [["the recording", recorded]];
if (fresh !== undefined) references.push(["the Python of this machine", fresh]);

test.each(references)("%s has every scenario, and no other", (_name, reference) => {
  expect([...reference.keys()].toSorted()).toEqual(scenarios.map(({ id }) => id).toSorted());
});

test("the recording is of as many scenarios as README.md says", () => {
  const readme = readFileSync(new URL("README.md", import.meta.url), "utf8");
  expect(readme).toContain(`${readVariants().length} scenarios in ${recorded.size} variants`);
});

const missing = leaveOut(
  "The comparison of the recorded traces with CPython's",
  fresh === undefined ? "no Python with asyncore (3.11 or earlier) can be found" : "",
);

test.skipIf(missing !== "")("the Python of this machine, where it has asyncore, does what was recorded", () => {
  expect(Object.fromEntries(fresh ?? [])).toEqual(Object.fromEntries(recorded));
});

describe("a row of docs/differences.md", () => {
  test("is of a scenario that there is", () => {
    expect(differences.filter(({ id }) => !recorded.has(id))).toEqual([]);
  });

  test("has a reason", () => {
    expect(differences.filter(({ reason }) => reason.trim() === "")).toEqual([]);
  });

  test("is the only one of its step", () => {
    const steps = differences.map(({ id, poller, index }) => `${id} ${poller} ${index + 1}`);
    expect(steps.filter((step, index) => steps.indexOf(step) !== index)).toEqual([]);
  });
});

describe.each([
  ["loopSync", true],
  ["loop", false],
])("%s tells what asyncore tells, but for the rows of docs/differences.md", (_name, blocking) => {
  test.each(scenarios)("$id", async (scenario) => {
    const { id } = scenario;
    const problems: string[] = [];
    for (const poller of POLLERS) {
      const rows = differences.filter((row) => row.id === id && row.poller === poller);
      const expected = withDifferences(recorded.get(id)?.[poller] ?? [], rows);
      const ours = await play(scenario, { usePoll: poller === "poll", blocking, expected });
      for (const [, reference] of references) {
        const cpython = reference.get(id)?.[poller] ?? [];
        problems.push(...checkDifferences({ id, poller, cpython, ours }, rows));
      }
    }
    expect([...new Set(problems)]).toEqual([]);
  });
});
