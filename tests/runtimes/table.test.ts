/** Owns that docs/runtimes.md names tests that there are. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "../support/processes.js";

const read = (...path: string[]): string => readFileSync(join(ROOT, ...path), "utf8");
const lines = read("docs", "runtimes.md").split("\n");

function rows(header: string): string[][] {
  const from = lines.findIndex((line) => line.startsWith(header));
  const length = lines.slice(from).findIndex((line) => !line.startsWith("|"));
  return lines.slice(from + 2, from + length).map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));
}

const features = rows("| | wasmtime 36");
const named = rows("| row | test in");

test("every row of the matrix names its tests", () => {
  const numbers = features.map(([feature = ""]) => feature.split(".")[0]);
  const held = new Set(named.flatMap(([row = ""]) => row.match(/\d+/g) ?? []));
  expect(numbers).not.toEqual([]);
  expect(numbers.filter((number) => number === undefined || !held.has(number))).toEqual([]);
});

test("every test that is named is there", () => {
  const missing = named.flatMap(([, ours = "", component = ""]) => {
    const [file = "", title = ""] = ours.split(": ", 2);
    const absent = read("tests", "runtimes", file).includes(title.slice(1, -1)) ? [] : [ours];
    return read("tests", "guest-component.test.ts").includes(component.slice(1, -1)) ? absent : [...absent, component];
  });
  expect(missing).toEqual([]);
});
