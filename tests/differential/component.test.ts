/**
 * Owns the comparison of components made of TypeScript with Node: each scenario is played on handlers in a component on
 * wasmtime, and their callbacks must be those on Node, or a row of docs/runtimes.md. One component plays all of them.
 */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { leaveOut, missingLinux } from "../support/missing.js";
import * as typescript from "../typescript/support.js";
import { Handlers, playInComponent } from "./component-player.js";
import { checkDifferences, isOf, readComponentDifferences, readDifferences, withDifferences } from "./differences.js";
import { readRecorded } from "./recordings.js";
import { testRows } from "./rows.js";
import { type Poller, POLLERS, readScenarios, type Scenario, type Trace } from "./scenario.js";

const BUILD_LIMIT_MS = 120_000;

const scenarios = readScenarios();
const recorded = readRecorded();
const differences = readDifferences();
const { rows, notPlayed } = readComponentDifferences();

// Whether something has arrived at another process's socket is read in /proc.
const missing =
  typescript.missing || leaveOut("The comparison of traces in a component with those on Node", missingLinux());

/** A component has no Unix sockets. */
function isPlayed({ id, family }: Scenario, poller: Poller): boolean {
  return family !== "unix" && !notPlayed.some((each) => each.poller === poller && isOf(id, each.id));
}

function traceOnNode({ id }: Scenario, poller: Poller): Trace {
  const ofScenario = differences.filter((row) => row.id === id && row.poller === poller);
  return withDifferences(recorded.get(id)?.[poller] ?? [], ofScenario);
}

testRows("docs/runtimes.md", { rows, notPlayed }, scenarios, isPlayed);

describe.skipIf(missing !== "")("a component on wasmtime", () => {
  let component = "";
  beforeAll(async () => {
    component = await typescript.buildProgram("tests/differential/component/program.ts", "differential");
  }, BUILD_LIMIT_MS);

  describe.each([
    { how: "loopSync", pollers: POLLERS },
    { how: "loop", pollers: ["select"] as const },
  ])("by $how", ({ how, pollers }) => {
    let handlers: Handlers;
    beforeAll(async () => {
      const [command, ...parameters] = typescript.NEWEST.command(component, [how]);
      handlers = new Handlers(command, parameters);
      await handlers.ready;
    }, BUILD_LIMIT_MS);
    afterAll(async () => {
      expect(await handlers.end()).toEqual({ code: 0, stderr: "" });
    }, BUILD_LIMIT_MS);

    describe.each(pollers)("with the order of %s, has the callbacks that Node has", (poller) => {
      test.each(scenarios.filter((scenario) => isPlayed(scenario, poller)))("$id", async (scenario) => {
        const { id } = scenario;
        const ofScenario = rows.filter((row) => row.id === id && row.poller === poller);
        const onNode = traceOnNode(scenario, poller);
        const expected = withDifferences(onNode, ofScenario);
        const ours = await playInComponent(scenario, { handlers, usePoll: poller === "poll", expected });
        expect(checkDifferences({ id, poller, cpython: onNode, ours }, ofScenario)).toEqual([]);
      });
    });
  });
});
