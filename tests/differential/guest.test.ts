/**
 * Owns the comparison of the two sets of handler classes: each scenario is played on a guest, and what handlers are told
 * must be what the TypeScript classes are told, or a row of docs/guest-differences.md.
 */

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { setLogSink } from "wasyncore";
import { BUILD_TIMEOUT_MS, buildFile } from "../assembly/programs.js";
import { checkDifferences, isOf, readDifferences, readGuestDifferences, withDifferences } from "./differences.js";
import { guestPlays } from "./guest-player.js";
import { readRecorded } from "./recordings.js";
import { testRows } from "./rows.js";
import { type Poller, POLLERS, readScenarios, readVariants, type Scenario, type Trace } from "./scenario.js";

// The traces tell what handlers log; what the library logs of closed channels is not in them.
let restoreLogSink: () => void;
beforeAll(() => {
  restoreLogSink = setLogSink(() => undefined);
});
afterAll(() => restoreLogSink());

const PROGRAM = fileURLToPath(new URL("guest/program.ts", import.meta.url));

const scenarios = readScenarios();
const recorded = readRecorded();
const differences = readDifferences();
const { rows, notPlayed } = readGuestDifferences();

let play: ReturnType<typeof guestPlays>;

beforeAll(async () => {
  play = guestPlays(await buildFile(PROGRAM, "--profile", "preview1+sockets", "--reactor"));
}, BUILD_TIMEOUT_MS);

function isPlayed({ id }: Scenario, poller: Poller): boolean {
  return !notPlayed.some((each) => each.poller === poller && isOf(id, each.id));
}

/** What the TypeScript classes are told, without the peers' names: preview 1 does not tell a guest whom it accepted. */
function traceOnNode({ id }: Scenario, poller: Poller): Trace {
  const ofScenario = differences.filter((row) => row.id === id && row.poller === poller);
  return withDifferences(recorded.get(id)?.[poller] ?? [], ofScenario).map((lines) =>
    lines.map((line) => line.replace(/^(\S+ accepted) \S+/, "$1 somebody")),
  );
}

testRows("docs/guest-differences.md", { rows, notPlayed }, scenarios, isPlayed);

test("as many scenarios are played as README.md says", () => {
  const played = readVariants().map((variants) =>
    variants.filter((each) => POLLERS.every((poller) => isPlayed(each, poller))),
  );
  const count = played.filter((variants) => variants.length > 0).length;
  const readme = readFileSync(new URL("README.md", import.meta.url), "utf8");
  expect(readme).toContain(`${count} scenarios in ${played.flat().length} variants on a guest`);
});

describe.each(POLLERS)("with the order of %s a guest gets the callbacks that the TypeScript classes get", (poller) => {
  test.each(scenarios.filter((scenario) => isPlayed(scenario, poller)))("$id", async (scenario) => {
    const { id } = scenario;
    const ofScenario = rows.filter((row) => row.id === id && row.poller === poller);
    const onNode = traceOnNode(scenario, poller);
    const expected = withDifferences(onNode, ofScenario);
    const ours = await play(scenario, { usePoll: poller === "poll", expected });
    expect(checkDifferences({ id, poller, cpython: onNode, ours }, ofScenario)).toEqual([]);
  });
});
