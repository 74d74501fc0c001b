/** Owns that docs/runtimes.md tells nothing that no test has seen, and names tests that there are. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "../support/processes.js";

const read = (...path: string[]): string => readFileSync(join(ROOT, ...path), "utf8");
const lines = read("docs", "runtimes.md").split("\n");

function rows(header: string): string[][] {
  const from = lines.findIndex((line) => line.startsWith(header));
  const length = lines.slice(from).findIndex((line) => !line.startsWith("|"));
  return lines.slice(from + 2, from + length).map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

const RUNTIMES = 5;
const features = rows("| | wasmtime 36");

/** What a row of the second table names: features, a test in tests/runtimes, and one of components. */
const named = rows("| row | test in").map(([row = "", ours = "", component = ""]) => {
  const [file = "", title = ""] = ours.split(": ", 2);
  const source = file === "" ? "" : read("tests", "runtimes", file);
  return {
    features: row.match(/\d+/g) ?? [],
    ours,
    title: title.slice(1, -1),
    source,
    component: component.slice(1, -1),
  };
});

/** The features without a test among these. */
function without(tests: typeof named): string[] {
  const held = new Set(tests.flatMap(({ features }) => features));
  return features.flatMap(([feature = ""]) => (held.has(feature.split(".")[0] ?? "") ? [] : [feature]));
}

test("every cell of the matrix says what was seen", () => {
  expect(features).not.toEqual([]);
  const silent = features.filter(
    (cells) => cells.length !== 1 + RUNTIMES || cells.some((cell) => /^$|\?|not tested|untested/i.test(cell)),
  );
  expect(silent).toEqual([]);
});

test("every row of the matrix names a test on the runtimes of modules, and one on that of components", () => {
  expect(without(named.filter(({ title }) => title !== ""))).toEqual([]);
  expect(without(named.filter(({ component, source }) => component !== "" || source.includes("ALL_RUNTIMES")))).toEqual(
    [],
  );
});

test("every test that is named is there", () => {
  const components = read("tests", "assembly", "component-scenarios.ts");
  const missing = named.flatMap(({ ours, title, source, component }) => [
    ...(source.includes(title) ? [] : [ours]),
    ...(components.includes(component) ? [] : [component]),
  ]);
  expect(missing).toEqual([]);
});
