/** Each pair of docs/from-python.md: the Python under CPython, the TypeScript on Node, and the same bytes from both. */

import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BUILD_TIMEOUT_MS } from "../assembly/programs.js";
import { leaveOut } from "../support/missing.js";
import { Compiled } from "./compiled.js";
import { CONVERSATIONS } from "./conversations.js";
import { type Block, blocksOf } from "./pages.js";
import { NODE, PageProgram, PYTHON } from "./programs.js";

const PAGE = "docs/from-python.md";

const blocks = blocksOf(PAGE);
const headings = [...new Set(blocks.map(({ heading }) => heading))];
const compiled = new Compiled(blocks.filter(({ language }) => language === "ts"));

const missing = leaveOut(
  "The Python programs of docs/from-python.md",
  spawnSync("python3", ["-W", "ignore", "-c", "import asynchat"]).status === 0
    ? ""
    : "python3 has no asyncore: install Python 3.11 or earlier to run them",
);

beforeAll(async () => {
  expect(await compiled.compile()).toBe("");
}, BUILD_TIMEOUT_MS);

afterAll(() => compiled.remove());

/** The only block of a section in this language. */
function blockOf(heading: string, language: string): Block {
  const [block, ...others] = blocks.filter((each) => each.heading === heading && each.language === language);
  if (block === undefined || others.length > 0) throw new Error(`"${heading}" has not one block of ${language}`);
  return block;
}

test("every section has a conversation, and every conversation a section", () => {
  expect(headings).toEqual(Object.keys(CONVERSATIONS));
});

describe.each(Object.entries(CONVERSATIONS))("%s", (heading, { talk, expected }) => {
  test.skipIf(missing !== "")("Python", async () => {
    const block = blockOf(heading, "python");
    const path = join(compiled.directory, `line-${block.line}.py`);
    writeFileSync(path, block.code);
    expect(await talk((options) => new PageProgram(PYTHON, path, options))).toEqual(expected);
  });

  test("TypeScript", async () => {
    const path = compiled.program(blockOf(heading, "ts"));
    expect(await talk((options) => new PageProgram(NODE, path, options))).toEqual(expected);
  });
});
